"""How suspicious the labels and the mask of a photograph are, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ..pseudo_labels.cam_files import CAMFile
from ..utils.confusion import class_iou, confusion_matrix
from ..utils.masks import IGNORE_INDEX

NO_EVIDENCE, UNLABELLED, AREA, OVERLAP, DISAGREEMENT = KINDS = (
    'no-evidence',
    'unlabelled',
    'area',
    'overlap',
    'disagreement',
)
USUAL_DEVIATIONS = 2.0  # of an area; less is no suspicion at all
FEWEST = 8  # photographs of a class from which its usual area is known
_MAD_TO_DEVIATION = 1.4826  # of a normal distribution


class Evidence(NamedTuple):
    """What a run found in a photograph.

    Attributes:
        labels: Foreground ids (0-based) that it is labelled with.
        areas: Share of the pixels that the pseudo label gives each foreground class, float (C,);
            unknown pixels are left out.
        pixels: Number of these pixels.
        scores: Probability that each class is in it, float (C,); None if the run did not keep them.
        overlap: How far the maps of two labelled classes light up the same spot, 0 to 1, and these
            two; None for less than two maps.
        agreement: IoU of pseudo label and segmentor, see :func:`mask_agreement`; None if there is
            no prediction.
    """

    labels: tuple[int, ...]
    areas: np.ndarray
    pixels: int
    scores: np.ndarray | None = None
    overlap: tuple[float, int, int] | None = None
    agreement: float | None = None


class Suspicion(NamedTuple):
    """A reason to look at a photograph.

    Attributes:
        kind: One of :data:`KINDS`.
        score: From 0, nothing, to 1.
        classes: Foreground ids that it is about.
    """

    kind: str
    score: float
    classes: tuple[int, ...] = ()


def gather_evidence(
    labels: Sequence[int],
    mask: np.ndarray,
    num_foreground: int,
    cams: CAMFile | None = None,
    threshold: float = 0.5,
    prediction: np.ndarray | None = None,
) -> Evidence:
    """Measures what the suspicions need.

    Args:
        labels: Foreground ids (0-based) of the image-level label.
        mask: The pseudo label, uint8 (H, W).
        num_foreground: Number of classes without background, ``C``.
        cams: Maps of the labelled classes, if they were kept.
        threshold: Background score of the run; where a map exceeds it, its class lights up.
        prediction: Labels by the segmentor, uint8 (H, W).
    """
    known = mask[mask != IGNORE_INDEX]
    counts = np.bincount(known, minlength=num_foreground + 1)[1 : num_foreground + 1]
    return Evidence(
        tuple(labels),
        counts / max(known.size, 1),
        int(known.size),
        None if cams is None else cams.class_scores,
        None if cams is None else map_overlap(cams.cams, cams.class_ids, threshold),
        None if prediction is None else mask_agreement(mask, prediction),
    )


def map_overlap(
    cams: np.ndarray, class_ids: Sequence[int] | np.ndarray, threshold: float
) -> tuple[float, int, int] | None:
    """The two maps that light up most nearly the same pixels.

    Args:
        cams: Maps in [0, 1], float (K, H, W).
        class_ids: Foreground ids, ``K``.
        threshold: From where on a map lights up.

    Returns:
        IoU of the pixels above the threshold, and the ids of the two; None if ``K < 2``.
    """
    if len(cams) < 2:
        return None
    lit = np.asarray(cams > threshold).reshape(len(cams), -1)
    best = (-1.0, 0, 0)
    for first, second in combinations(range(len(lit)), 2):
        union = int((lit[first] | lit[second]).sum())
        iou = int((lit[first] & lit[second]).sum()) / union if union else 0.0
        best = max(best, (iou, int(class_ids[first]), int(class_ids[second])))
    return best


def mask_agreement(mask: np.ndarray, prediction: np.ndarray) -> float:
    """Mean IoU of two label maps over the foreground classes in either, 1 if there is none.

    Pixels that are unknown (255) in either are left out.

    Args:
        mask: uint8 (H, W).
        prediction: uint8 (H, W).

    Raises:
        ValueError: If the sizes differ.
    """
    if mask.shape != prediction.shape:
        raise ValueError(f'expected a prediction of size {mask.shape}, got {prediction.shape}')
    iou = class_iou(confusion_matrix(mask, prediction, IGNORE_INDEX))[1:]  # (254,)
    return 1.0 if np.isnan(iou).all() else float(np.nanmean(iou)) / 100


def find_suspicions(images: Sequence[Evidence]) -> list[list[Suspicion]]:
    """Reasons to look at each photograph, the strongest first.

    * ``no-evidence``: a label of which the network sees nothing, ``1 - p``; where the mask has no
      pixel of it, ``1 - p / 2``.
    * ``unlabelled``: a class that the network sees and no label names, ``p``.
    * ``area``: an object much larger or smaller than is usual for its class. With ``z`` deviations
      from the median of the logit of the share of pixels, by the median absolute deviation,
      ``1 - 2 / z`` beyond two.
    * ``overlap``: the IoU of what the maps of two classes light up.
    * ``disagreement``: 1 less the mean IoU of pseudo label and segmentor.

    Args:
        images: All photographs of the run; what is usual follows from them.
    """
    usual = _usual_areas(images)
    found = []
    for image in images:
        suspicions = [
            *_labels_without_evidence(image),
            *_evidence_without_label(image),
            *_unusual_areas(image, usual),
        ]
        if image.overlap is not None:
            score, *classes = image.overlap
            suspicions.append(Suspicion(OVERLAP, score, tuple(classes)))
        if image.agreement is not None:
            suspicions.append(Suspicion(DISAGREEMENT, 1 - image.agreement))
        found.append(sorted(suspicions, key=lambda reason: -reason.score))
    return found


def _labels_without_evidence(image: Evidence) -> list[Suspicion]:
    found = []
    for label in image.labels:
        seen = image.areas[label] > 0
        if image.scores is not None:
            evidence = float(image.scores[label]) * (1.0 if seen else 0.5)
        else:
            evidence = 1.0 if seen else 0.0
        found.append(Suspicion(NO_EVIDENCE, 1 - evidence, (label,)))
    return found


def _evidence_without_label(image: Evidence) -> list[Suspicion]:
    if image.scores is None:
        return []
    others = (c for c in range(len(image.scores)) if c not in image.labels)
    return [Suspicion(UNLABELLED, float(image.scores[c]), (c,)) for c in others]


def _logit_area(image: Evidence, class_id: int) -> float:
    """Logit of the share of pixels, half a pixel away from none and all."""
    share = (image.areas[class_id] * image.pixels + 0.5) / (image.pixels + 1)
    return float(np.log(share / (1 - share)))


def _usual_areas(images: Sequence[Evidence]) -> Mapping[int, tuple[float, float]]:
    """Median and deviation of the logit of the area of each class, where it has one."""
    areas: dict[int, list[float]] = {}
    for image in images:
        for label in image.labels:
            if image.areas[label] > 0:
                areas.setdefault(label, []).append(_logit_area(image, label))
    usual = {}
    for label, values in areas.items():
        if len(values) >= FEWEST:
            median = float(np.median(values))
            spread = float(np.median(np.abs(np.array(values) - median)))
            usual[label] = (median, max(_MAD_TO_DEVIATION * spread, 1e-3))
    return usual


def _unusual_areas(image: Evidence, usual: Mapping[int, tuple[float, float]]) -> list[Suspicion]:
    found = []
    for label in image.labels:
        if label in usual and image.areas[label] > 0:
            median, deviation = usual[label]
            z = abs(_logit_area(image, label) - median) / deviation
            score = 1 - USUAL_DEVIATIONS / max(z, USUAL_DEVIATIONS)
            found.append(Suspicion(AREA, score, (label,)))
    return found
