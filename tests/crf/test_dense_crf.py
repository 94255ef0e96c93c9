"""The CRF against pydensecrf where that is installed, and against dense matrices everywhere."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from weaktr_mmseg.crf import unary_from_labels, unary_from_probabilities
from weaktr_mmseg.crf.dense_crf import PRESETS, BilateralTerm, DenseCRF, GaussianTerm

PHOTOGRAPHS = ['astronaut', 'chelsea', 'coffee', 'rocket', 'immunohistochemistry', 'retina']
# Odd sides: pydensecrf works on four pixels at once, so the last ones are another case.
SIZE = (93, 121)


def photograph(name: str) -> np.ndarray:
    data = pytest.importorskip('skimage.data')
    image = torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1)[None].float()
    image = F.interpolate(image, SIZE, mode='bilinear', antialias=True)[0]
    return np.ascontiguousarray(image.permute(1, 2, 0).round().byte())


def scene(seed: int, size: tuple[int, int] = (24, 32), labels: int = 3):
    """An image of coloured blobs with noise, and a coarse label map of them."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(1, labels, 4, 4, generator=generator)
    truth = F.interpolate(scores, size, mode='bilinear').argmax(1)[0]
    colours = torch.randint(0, 256, (labels, 3), generator=generator)
    noise = torch.randint(-12, 13, (*size, 3), generator=generator)
    image = (colours[truth] + noise).clamp(0, 255).byte()
    return image.numpy(), truth.roll(2, dims=1).byte().numpy()


def soft_labels(labels: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    scores = torch.rand(1, labels, 6, 6, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(4 * scores, size, mode='bilinear')[0].softmax(0).numpy()


def pydensecrf_inference(image: np.ndarray, unary: np.ndarray, preset: str) -> np.ndarray:
    densecrf = pytest.importorskip('pydensecrf.densecrf')
    labels, height, width = unary.shape
    crf = densecrf.DenseCRF2D(width, height, labels)
    crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(labels, -1)))
    gaussian, bilateral = PRESETS[preset]
    crf.addPairwiseGaussian(sxy=gaussian.sxy, compat=gaussian.compat)
    crf.addPairwiseBilateral(
        sxy=bilateral.sxy, srgb=bilateral.srgb, rgbim=image, compat=bilateral.compat
    )
    return np.array(crf.inference(10)).reshape(unary.shape)


@pytest.mark.parametrize('labels', [2, 3, 21])
@pytest.mark.parametrize('preset', sorted(PRESETS))
@pytest.mark.parametrize('name', PHOTOGRAPHS)
def test_agrees_with_pydensecrf(name, preset, labels):
    image = photograph(name)
    probabilities = soft_labels(labels, SIZE)
    if preset.endswith('cam'):
        unary = unary_from_labels(probabilities.argmax(0), labels)
    else:
        unary = unary_from_probabilities(probabilities)
    expected = pydensecrf_inference(image, unary, preset)
    result = DenseCRF.from_preset(preset)(image, unary)
    assert np.abs(result - expected).max() <= 1e-3
    assert (result.argmax(0) == expected.argmax(0)).mean() >= 0.999


def test_unaries_agree_with_pydensecrf():
    utils = pytest.importorskip('pydensecrf.utils')
    probabilities = soft_labels(4, (8, 9))
    probabilities[:, 0, 0] = [1, 0, 0, 0]
    labels = probabilities.argmax(0)
    expected = utils.unary_from_labels(labels, 4, 0.7, zero_unsure=False).reshape(4, 8, 9)
    np.testing.assert_allclose(unary_from_labels(labels, 4, 0.7), expected, rtol=1e-6)
    expected = utils.unary_from_softmax(probabilities, clip=1e-5).reshape(4, 8, 9)
    np.testing.assert_allclose(unary_from_probabilities(probabilities), expected, atol=1e-6)


def test_mean_field_is_that_of_the_paper():
    """A Gaussian kernel alone, as a dense matrix: the lattice approximates it closely."""
    size, sxy, compat = (12, 15), 3.0, 2.0
    unary = unary_from_probabilities(soft_labels(3, size))
    points = torch.cartesian_prod(torch.arange(12.0), torch.arange(15.0)) / sxy
    kernel = torch.exp(-0.5 * torch.cdist(points, points) ** 2)
    norm = kernel.sum(1).rsqrt()
    kernel = norm[:, None] * kernel * norm
    energy = torch.from_numpy(unary).flatten(1).t()
    marginals = torch.softmax(-energy, 1)
    for _ in range(5):
        marginals = torch.softmax(compat * kernel @ marginals - energy, 1)
    result = DenseCRF([GaussianTerm(sxy, compat)], iterations=5)(size_image(size), unary)
    np.testing.assert_allclose(result.reshape(3, -1).T, marginals, atol=0.03)


def size_image(size: tuple[int, int]) -> np.ndarray:
    return np.zeros((*size, 3), np.uint8)


def test_no_iterations_give_the_softmax_of_the_unary():
    unary = torch.randn(3, 5, 6)
    result = DenseCRF([GaussianTerm(3, 1)], iterations=0)(torch.zeros(5, 6, 3).byte(), unary)
    torch.testing.assert_close(result, (-unary).softmax(0))


def test_batch_equals_one_by_one():
    """Sizes and numbers of labels differ."""
    crf = DenseCRF.from_preset('voc_cam')
    images, unaries = [], []
    for seed, (size, labels) in enumerate([((24, 32), 3), ((24, 32), 2), ((17, 13), 5)]):
        image, label_map = scene(seed, size, labels)
        images.append(image)
        unaries.append(unary_from_labels(label_map, labels))
    results = crf.batch(images, unaries)
    for image, unary, result in zip(images, unaries, results):
        assert result.shape == unary.shape
        np.testing.assert_allclose(result, crf(image, unary), atol=1e-5)
    assert crf.batch([], []) == []


def test_tensors_in_tensors_out():
    image, label_map = scene(0)
    crf = DenseCRF.from_preset('coco_cam')
    unary = unary_from_labels(torch.from_numpy(label_map), 3)
    result = crf(torch.from_numpy(image), unary)
    assert isinstance(result, torch.Tensor)
    assert result.dtype == torch.float32
    expected = crf(image, unary_from_labels(label_map, 3))
    assert isinstance(expected, np.ndarray)
    assert np.array_equal(result.numpy(), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_gpu_equals_cpu():
    image, label_map = scene(0)
    crf = DenseCRF.from_preset('voc_cam')
    unary = unary_from_labels(torch.from_numpy(label_map), 3)
    result = crf(torch.from_numpy(image), unary.cuda())
    assert result.is_cuda
    torch.testing.assert_close(result.cpu(), crf(torch.from_numpy(image), unary), atol=1e-3, rtol=0)


def test_inputs_are_not_changed():
    image, label_map = scene(0)
    unary = unary_from_labels(label_map, 3)
    copies = image.copy(), unary.copy()
    DenseCRF.from_preset('voc_cam')(image, unary)
    assert np.array_equal(image, copies[0]) and np.array_equal(unary, copies[1])


def test_gaussian_lattices_are_shared_between_images_of_one_size():
    term = GaussianTerm(4, 3)
    first = term.lattice(torch.zeros(20, 30, 3).byte())
    assert term.lattice(torch.ones(20, 30, 3).byte()) is first
    assert GaussianTerm(4, 3).lattice(torch.zeros(20, 30, 3).byte()) is first
    assert term.lattice(torch.zeros(30, 20, 3).byte()) is not first
    assert GaussianTerm(4, 2).lattice(torch.zeros(20, 30, 3).byte()) is not first


def test_goes_to_worker_processes():
    crf = pickle.loads(pickle.dumps(DenseCRF.from_preset('voc_cam')))
    assert crf.terms == PRESETS['voc_cam']


def test_huge_energies_stay_finite():
    image, label_map = scene(0)
    unary = 1e4 * unary_from_labels(label_map, 3)
    result = DenseCRF.from_preset('voc_cam')(image, unary)
    assert np.array_equal(result.argmax(0), label_map)
    assert np.isfinite(result).all()


def test_unknown_pixels_are_uniform_in_the_unary():
    unary = unary_from_labels(np.array([[0, 255, 2]]), 3, 0.7)
    np.testing.assert_allclose(
        np.exp(-unary[:, 0]), [[0.7, 1 / 3, 0.15], [0.15, 1 / 3, 0.15], [0.15, 1 / 3, 0.7]], 1e-6
    )


@pytest.mark.parametrize(
    ('image', 'unary', 'message'),
    [
        (torch.zeros(4, 5, 3), torch.zeros(2, 4, 5), r'image: expected uint8 \(H, W, 3\)'),
        (torch.zeros(3, 4, 5).byte(), torch.zeros(2, 4, 5), r'image: expected uint8 \(H, W, 3\)'),
        (torch.zeros(4, 5, 3).byte(), torch.zeros(2, 5, 4), r'unary: expected float \(L, 4, 5\)'),
        (torch.zeros(4, 5, 3).byte(), torch.zeros(2, 4, 5).int(), r'unary: expected float'),
    ],
)
def test_refuses_other_shapes_and_types(image, unary, message):
    with pytest.raises(ValueError, match=message):
        DenseCRF.from_preset('voc_cam')(image, unary)


def test_refuses_what_makes_no_sense():
    image, label_map = scene(0)
    crf = DenseCRF.from_preset('voc_cam')
    with pytest.raises(ValueError, match=r"expected one of \['coco_cam', .*got 'voc'"):
        DenseCRF.from_preset('voc')
    with pytest.raises(ValueError, match='terms: expected at least one'):
        DenseCRF([])
    with pytest.raises(ValueError, match='iterations: expected at least 0, got -1'):
        DenseCRF(PRESETS['voc_cam'], iterations=-1)
    with pytest.raises(ValueError, match=r'BilateralTerm.srgb: expected a number > 0, got 0'):
        BilateralTerm(83, 0, 3)
    with pytest.raises(ValueError, match='a unary for each of 1 images, got 2'):
        crf.batch([image], [np.zeros((2, 24, 32), np.float32)] * 2)
    with pytest.raises(ValueError, match='confidence: expected a number between 0 and 1, got 1'):
        unary_from_labels(label_map, 3, 1)
    with pytest.raises(ValueError, match=r'labels: expected 0 to 1 or 255, got \[0, 1, 2\]'):
        unary_from_labels(label_map, 2)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_named_before_it_spreads(value):
    image, label_map = scene(0)
    unary = unary_from_labels(label_map, 3)
    unary[1, 2, 3] = value
    kind = '1 NaN and 0' if np.isnan(value) else '0 NaN and 1'
    message = rf'unary: expected finite .* got {kind} infinite of 2304, the first .* \(1, 2, 3\)'
    with pytest.raises(ValueError, match=message):
        DenseCRF.from_preset('voc_cam')(image, unary)


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (np.nan, 'got 1 NaN in 60'),
        (np.inf, 'got 0 to inf in 60; logits need a softmax first'),
        (-0.5, 'got -0.5 to 1 in 60; logits need a softmax first'),
    ],
)
def test_what_is_no_probability_is_refused(value, message):
    probabilities = np.zeros((3, 4, 5), np.float32)
    probabilities[0] = 1
    unary_from_probabilities(probabilities)
    probabilities[1, 2, 3] = value
    with pytest.raises(ValueError, match=f'probabilities: expected finite .* {message}'):
        unary_from_probabilities(probabilities)
