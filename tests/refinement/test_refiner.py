"""What every refiner does with label maps, shown on DenseCRF and on a spy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from weaktr_mmseg.crf import DenseCRF, unary_from_labels, unary_from_probabilities
from weaktr_mmseg.refinement import DenseCRFRefiner, PAMRRefiner, Refiner

from looping import some

IMAGE = np.zeros((20, 30, 3), np.uint8)
IMAGE[:, 15:] = 200
REFINERS = [
    DenseCRFRefiner(preset='voc_cam'),
    DenseCRFRefiner(bilateral=dict(sxy=40, srgb=5, compat=3), iterations=5),
    PAMRRefiner(),
]


class Spy(Refiner):
    """Changes nothing and keeps what it is given."""

    def refine(self, image, probabilities):
        self.image, self.probabilities = image, probabilities
        return probabilities


def off_by_two(labels=(0, 1)) -> np.ndarray:
    """The edge of the map is two pixels off that of the image, and a pixel is wrong."""
    index = np.zeros((20, 30), np.uint8)
    index[:, 17:] = 1
    index[10, 5] = 1
    return np.array(labels, np.uint8)[index]


@pytest.mark.parametrize('refiner', REFINERS)
@pytest.mark.parametrize('labels', [(0, 1), (7, 20)])
def test_removes_noise_and_follows_edges(refiner, labels):
    refined = refiner.refine_labels(IMAGE, off_by_two(labels))
    assert refined.dtype == np.uint8
    assert np.array_equal(refined, np.where(IMAGE[:, :, 0] > 0, labels[1], labels[0]))


def test_labels_become_probabilities_by_the_confidence():
    spy = Spy(confidence=0.8)
    label_map = np.array([[0, 7, 255]], np.uint8)
    assert np.array_equal(spy.refine_labels(IMAGE[:1, :3], label_map, [7, 20]), label_map)
    expected = [[[0.8, 0.1, 1 / 3]], [[0.1, 0.8, 1 / 3]], [[0.1, 0.1, 1 / 3]]]
    torch.testing.assert_close(spy.probabilities, torch.tensor(expected))
    assert torch.equal(spy.image, torch.from_numpy(IMAGE[:1, :3].copy()))


def test_dense_crf_of_labels_is_that_of_their_unary():
    label_map = off_by_two()
    label_map[3, 4:20] = 255
    for confidence in (0.7, 0.95):
        crf = DenseCRF.from_preset('coco_cam')
        expected = crf(IMAGE, unary_from_labels(label_map, 2, confidence)).argmax(0)
        expected[3, 4:20] = 255
        refiner = DenseCRFRefiner(preset='coco_cam', confidence=confidence)
        assert np.array_equal(refiner.refine_labels(IMAGE, label_map), expected)


def test_confidence_decides():
    """A pixel that stands alone outlasts its neighbours if the map is sure enough."""
    label_map = off_by_two()
    term = dict(gaussian=dict(sxy=2, compat=3))
    doubtful = DenseCRFRefiner(**term, confidence=0.6).refine_labels(IMAGE, label_map)
    sure = DenseCRFRefiner(**term, confidence=0.999).refine_labels(IMAGE, label_map)
    assert doubtful[10, 5] == 0
    assert sure[10, 5] == 1


@pytest.mark.parametrize('refiner', REFINERS)
def test_a_batch_is_one_by_one(refiner):
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (9, 11, 3), generator=generator).byte() for _ in range(2)]
    scores = [torch.randn(3, 9, 11, generator=generator).softmax(0) for _ in range(2)]
    for image, given, result in some(
        zip(images, scores, refiner.refine_batch(images, scores), strict=True)
    ):
        torch.testing.assert_close(result, refiner.refine(image, given), atol=1e-5, rtol=0)
        assert not torch.allclose(result, given, atol=1e-2)
        torch.testing.assert_close(result.sum(0), torch.ones(9, 11))


def test_only_winners_are_refined_and_nothing_is_renormalised():
    class Least(Spy):
        def refine(self, image, probabilities):
            return -super().refine(image, probabilities)

    spy = Least()
    scores = torch.zeros(4, 2, 3)
    scores[1], scores[2], scores[3, 0] = 0.5, 0.3, 1.7  # 3 wins the upper row, 1 the lower
    labels = spy.refine_winners(torch.zeros(2, 3, 3).byte(), scores)
    assert torch.equal(spy.probabilities, scores[[1, 3]])
    assert labels.tolist() == [[1] * 3, [3] * 3]


def test_a_single_winner_needs_no_refinement():
    scores = torch.zeros(3, 2, 3)
    scores[2] = 0.4
    spy = Spy()
    assert spy.refine_winners(torch.zeros(2, 3, 3).byte(), scores).tolist() == [[2] * 3] * 2
    assert not hasattr(spy, 'image')


def test_dense_crf_of_probabilities():
    image = torch.from_numpy(IMAGE)
    given = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0)).softmax(0)
    expected = DenseCRF.from_preset('voc_seg')(image, unary_from_probabilities(given))
    assert torch.equal(DenseCRFRefiner(preset='voc_seg').refine(image, given), expected)


@pytest.mark.parametrize('refiner', REFINERS)
def test_unknown_pixels_stay_unknown_and_ids_are_kept(refiner):
    label_map = off_by_two((3, 9))
    label_map[:5] = 255
    refined = refiner.refine_labels(IMAGE, label_map, [3, 5, 9])
    assert np.array_equal(refined == 255, label_map == 255)
    assert set(np.unique(refined)) <= {0, 3, 5, 9, 255}


def test_a_map_of_background_alone_is_returned_as_it_is():
    label_map = np.zeros((6, 7), np.uint8)
    label_map[0, 0] = 255
    spy = Spy()
    refined = spy.refine_labels(IMAGE[:6, :7], label_map)
    assert np.array_equal(refined, label_map)
    assert refined is not label_map
    assert not hasattr(spy, 'image')


@pytest.mark.parametrize('refiner', REFINERS)
@pytest.mark.parametrize(
    ('image', 'probabilities', 'message'),
    [
        (torch.zeros(4, 5, 3), torch.zeros(2, 4, 5), r'image: expected uint8 \(H, W, 3\)'),
        (torch.zeros(4, 5, 3).byte(), torch.zeros(2, 5, 4), r'expected float \(L, 4, 5\)'),
        (torch.zeros(4, 5, 3).byte(), torch.full((2, 4, 5), torch.nan), 'got 40 NaN in 40'),
        (torch.zeros(4, 5, 3).byte(), torch.full((2, 4, 5), -3.0), 'logits need a softmax'),
    ],
)
def test_refuses_what_is_no_image_and_probabilities(refiner, image, probabilities, message):
    with pytest.raises(ValueError, match=message):
        refiner.refine(image, probabilities)


def test_refuses_labels_and_numbers_that_make_no_sense():
    label_map = off_by_two((1, 2))
    with pytest.raises(ValueError, match=r'label_map: expected labels \[0, 1\], got \[1, 2\]'):
        Spy().refine_labels(IMAGE, label_map, [1])
    with pytest.raises(ValueError, match=r'label_map: expected uint8 \(H, W\), got int64'):
        Spy().refine_labels(IMAGE, label_map.astype(np.int64))
    with pytest.raises(ValueError, match='confidence: expected a number between 0 and 1, got 1'):
        Spy(confidence=1)
    with pytest.raises(ValueError, match='max_pixels: expected at least 1, got 0'):
        Spy(max_pixels=0)
