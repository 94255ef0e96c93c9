"""Each reason to look at a photograph is found where it is, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.pseudo_labels.cam_files import CAMFile
from weaktr_mmseg.review import Evidence, find_suspicions, gather_evidence
from weaktr_mmseg.review.suspicion import map_overlap, mask_agreement


def evidence(labels=(0,), areas=(0.2, 0.0, 0.0), scores=(0.95, 0.02, 0.02), **others):
    scores = None if scores is None else np.array(scores)
    return Evidence(tuple(labels), np.array(areas), 1000, scores, **others)


def score(image, kind, others=()):
    """The strongest suspicion of a kind, and what it is about."""
    reasons = [r for r in find_suspicions([image, *others])[0] if r.kind == kind]
    return (reasons[0].score, reasons[0].classes) if reasons else (0.0, ())


def test_nothing_is_suspicious_of_a_plain_photograph():
    (reasons,) = find_suspicions([evidence()])
    assert max(reason.score for reason in reasons) < 0.1


def test_a_label_without_evidence():
    unsure = evidence(labels=(0, 1), areas=(0.2, 0.1, 0), scores=(0.95, 0.3, 0))
    assert score(unsure, 'no-evidence') == (pytest.approx(0.7), (1,))
    no_pixel = evidence(labels=(0, 1), areas=(0.2, 0, 0), scores=(0.95, 0.8, 0))
    assert score(no_pixel, 'no-evidence') == (pytest.approx(0.6), (1,))
    assert score(evidence(areas=(0, 0, 0), scores=None), 'no-evidence') == (1.0, (0,))
    assert score(evidence(scores=None), 'no-evidence')[0] == 0


def test_evidence_without_a_label():
    assert score(evidence(scores=(0.95, 0.02, 0.9)), 'unlabelled') == (pytest.approx(0.9), (2,))
    assert score(evidence(labels=(0, 2), scores=(0.95, 0.02, 0.9)), 'unlabelled')[0] < 0.1
    assert score(evidence(scores=None), 'unlabelled')[0] == 0


def test_an_area_out_of_the_usual():
    rng = np.random.default_rng(0)
    others = [evidence(areas=(share, 0, 0)) for share in rng.uniform(0.1, 0.3, 30)]
    for share in (0.001, 0.95):
        found, classes = score(evidence(areas=(share, 0, 0)), 'area', others)
        assert found > 0.5 and classes == (0,)
    assert score(evidence(areas=(0.2, 0, 0)), 'area', others)[0] == 0
    assert score(evidence(areas=(0.001, 0, 0)), 'area', others[:6])[0] == 0  # too few to know
    other_class = evidence(labels=(1,), areas=(0, 0.001, 0))
    assert score(other_class, 'area', others)[0] == 0
    equal = [evidence(areas=(0.2, 0, 0))] * 20
    assert score(evidence(areas=(0.2, 0, 0)), 'area', equal)[0] == 0  # without any deviation


def test_maps_of_two_classes_on_one_spot():
    cams = np.zeros((3, 8, 8))
    cams[0, :4], cams[1, 4:], cams[2, 3:7] = 1, 0.9, 0.8
    assert map_overlap(cams, [4, 7, 9], 0.5) == (3 / 5, 7, 9)
    assert map_overlap(cams[:2], [4, 7], 0.5)[0] == 0
    assert map_overlap(cams[:1], [4], 0.5) is None
    assert map_overlap(cams, [4, 7, 9], 1.0)[0] == 0  # nothing lit
    found = score(evidence(overlap=(0.6, 7, 9)), 'overlap')
    assert found == (0.6, (7, 9))


def test_a_segmentor_that_disagrees():
    mask = np.zeros((4, 4), np.uint8)
    mask[:2] = 1
    assert mask_agreement(mask, mask) == 1
    other = mask.copy()
    other[:2, 2:] = 2
    assert mask_agreement(mask, other) == pytest.approx((0.5 + 0) / 2)
    other[:2, 2:] = 255  # unknown
    assert mask_agreement(mask, other) == 1
    assert mask_agreement(np.zeros_like(mask), np.zeros_like(mask)) == 1
    assert score(evidence(agreement=0.3), 'disagreement')[0] == pytest.approx(0.7)
    with pytest.raises(ValueError, match=r'size \(4, 4\), got \(2, 4\)'):
        mask_agreement(mask, mask[:2])


def test_evidence_is_measured():
    mask = np.zeros((10, 10), np.uint8)
    mask[:2], mask[2:4], mask[9] = 1, 3, 255
    cams = CAMFile(np.ones((2, 10, 10)), np.array([0, 2]), ('a', 'c'), '', np.array([0.9, 0, 0.8]))
    found = gather_evidence([0, 2], mask, 3, cams, 0.4, prediction=mask)
    assert found.labels == (0, 2) and found.pixels == 90
    assert found.areas == pytest.approx([20 / 90, 0, 20 / 90])
    assert found.overlap == (1.0, 0, 2) and found.agreement == 1
    assert found.scores.tolist() == [0.9, 0, 0.8]
    unknown = gather_evidence([0], np.full((3, 3), 255, np.uint8), 3)
    assert unknown.pixels == 0 and not unknown.areas.any() and unknown.overlap is None


def test_the_strongest_reason_comes_first():
    image = evidence(labels=(0, 1), areas=(0.2, 0.1, 0), scores=(0.9, 0.4, 0.8))
    scores = [reason.score for reason in find_suspicions([image])[0]]
    assert scores == sorted(scores, reverse=True) and scores[0] == pytest.approx(0.8)
