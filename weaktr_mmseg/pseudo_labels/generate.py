"""From a folder of CAM files to a folder of masks."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ..crf.dense_crf import BilateralTerm, DenseCRF, GaussianTerm, refine_label_map
from ..utils.masks import IGNORE_INDEX, read_mask, read_stamped_mask, write_mask
from ..utils.progress import progress_bar
from .cam_files import CAMFile, read_cams
from .labelling import label_map
from .large_images import bounded

CAM_FOLDER = 'cams'
MASK_FOLDER = 'masks'
RULE_KEYS = ('crf', 'ignore_band', 'ignore_disagreement')
RULE_VERSION = 1  # grows when equal rules give other masks than before


@dataclass(frozen=True)
class LabelRule:
    """How label maps are made from class activation maps.

    Attributes:
        threshold: Background score in [0, 1].
        crf: What refines the label map: a preset of :class:`DenseCRF`, its parameters as
            ``dict(gaussian=dict(sxy, compat), bilateral=dict(sxy, srgb, compat), iterations)``,
            or None for no refinement.
        ignore_band: Pixels whose best score is this close to the threshold become 255.
        ignore_disagreement: Pixels that the CRF relabels become 255.

    Raises:
        ValueError: If a number is out of range, the preset is unknown, or disagreement is asked
            for without a CRF.
    """

    threshold: float
    crf: str | dict | None = None
    ignore_band: float = 0.0
    ignore_disagreement: bool = False
    _crf: DenseCRF | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f'threshold: expected a number in [0, 1], got {self.threshold}')
        if not 0 <= self.ignore_band <= 1:
            raise ValueError(f'ignore_band: expected a number in [0, 1], got {self.ignore_band}')
        if self.ignore_disagreement and self.crf is None:
            raise ValueError('ignore_disagreement: expected a crf to compare with, got crf=None')
        if self.crf is not None:
            object.__setattr__(self, '_crf', build_crf(self.crf))

    def stamp(self, cams: str | Path) -> str:
        """What a mask depends on, in 32 characters: this rule and every byte of the CAM file.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        options = (self.threshold, self.crf, self.ignore_band, self.ignore_disagreement)
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps((RULE_VERSION, *options), sort_keys=True).encode())
        digest.update(Path(cams).read_bytes())
        return digest.hexdigest()

    def apply(self, cam_file: CAMFile, image: np.ndarray | None = None) -> np.ndarray:
        """Makes a label map.

        Args:
            cam_file: Maps of one image.
            image: The RGB image, uint8 (H, W, 3), needed for a CRF.

        Returns:
            Labels, uint8 (H, W).
        """
        refine = None
        if self._crf is not None:
            present = np.asarray(cam_file.class_ids) + 1
            refine = bounded(partial(refine_label_map, crf=self._crf, labels=present))
        return label_map(
            cam_file.cams,
            cam_file.class_ids,
            self.threshold,
            ignore_band=self.ignore_band,
            image=image,
            refine=refine,
            ignore_disagreement=self.ignore_disagreement,
        )


def rule_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a :class:`LabelRule`, but its threshold, among the options of a config."""
    return {key: copy.deepcopy(options[key]) for key in RULE_KEYS if key in options}


def build_crf(crf: str | dict) -> DenseCRF:
    """Builds a CRF from a config.

    Args:
        crf: A preset of :class:`DenseCRF`, or
            ``dict(gaussian=dict(sxy, compat), bilateral=dict(sxy, srgb, compat), iterations)``
            with at least one of the two terms.

    Raises:
        ValueError: If the preset or a key is unknown, or there is no term.
    """
    if isinstance(crf, str):
        return DenseCRF.from_preset(crf)
    unknown = set(crf) - {'gaussian', 'bilateral', 'iterations'}
    if unknown:
        raise ValueError(f"crf: expected 'gaussian', 'bilateral', 'iterations', got {unknown}")
    kinds = (('gaussian', GaussianTerm), ('bilateral', BilateralTerm))
    terms = [build(**crf[name]) for name, build in kinds if name in crf]
    return DenseCRF(terms, crf.get('iterations', 10))


class MaskSample(NamedTuple):
    """Paths of one image: the image, its CAM file, the mask to write, its truth if any."""

    image: str
    cams: str
    mask: str
    truth: str | None = None


class _MaskWriter(Dataset):
    """Item ``i`` writes the mask of sample ``i`` and gives its confusion matrix.

    A readable mask with the stamp that it would get is kept.
    """

    def __init__(
        self,
        samples: Sequence[MaskSample],
        rule: LabelRule,
        palette: Sequence[Sequence[int]],
        read_image: Callable[[str], np.ndarray],
    ) -> None:
        self.samples = samples
        self.rule = rule
        self.palette = palette
        self.read_image = read_image

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> np.ndarray:
        sample = self.samples[index]
        stamp = self.rule.stamp(sample.cams)
        labels = _finished_mask(sample.mask, stamp)
        if labels is None:
            image = self.read_image(sample.image) if self.rule.crf else None
            labels = self.rule.apply(read_cams(sample.cams), image)
            write_mask(sample.mask, labels, self.palette, stamp)
        classes = len(self.palette)
        if sample.truth is None:
            return np.zeros((classes, classes), np.int64)
        return confusion_matrix(read_mask(sample.truth), labels, classes)


def _finished_mask(path: str, stamp: str) -> np.ndarray | None:
    try:
        labels, found = read_stamped_mask(path)
    except (FileNotFoundError, ValueError):
        return None
    return labels if found == stamp else None


def write_masks(
    samples: Sequence[MaskSample],
    rule: LabelRule,
    palette: Sequence[Sequence[int]],
    read_image: Callable[[str], np.ndarray],
    workers: int = 0,
) -> np.ndarray:
    """Writes the masks of all samples.

    Masks that an interrupted run with the same rule made of the same CAM files are kept.

    Args:
        samples: What to read and to write.
        rule: How labels are made.
        palette: RGB colours of all classes, background first.
        read_image: Gives an image file as RGB, uint8 (H, W, 3).
        workers: Number of processes beside this one; 0 works in this one.

    Returns:
        Confusion matrix over the samples that have a truth, int64 (truth, prediction).
    """
    writer = _MaskWriter(samples, rule, palette, read_image)
    total = np.zeros((len(palette), len(palette)), np.int64)
    for confusion in progress_bar(_run(writer, workers), len(samples), 'Writing masks'):
        total += confusion
    return total


def _run(writer: _MaskWriter, workers: int) -> Iterable[np.ndarray]:
    loader = DataLoader(writer, batch_size=None, num_workers=workers, worker_init_fn=_one_thread)
    return (np.asarray(confusion) for confusion in loader)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def confusion_matrix(truth: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts pixels per (truth, prediction); 255 in either is left out.

    Args:
        truth: Labels, uint8 (H, W).
        labels: Predicted labels, uint8 (H, W).
        num_classes: Number of classes with background.

    Returns:
        int64 (num_classes, num_classes).

    Raises:
        ValueError: If sizes differ or either holds an unknown label.
    """
    if truth.shape != labels.shape:
        raise ValueError(f'truth: expected size {labels.shape}, got {truth.shape}')
    known = (truth != IGNORE_INDEX) & (labels != IGNORE_INDEX)
    rows, columns = truth[known].astype(np.int64), labels[known].astype(np.int64)
    for name, values in (('truth', rows), ('labels', columns)):
        highest = values.max(initial=0)
        if highest >= num_classes:
            raise ValueError(f'{name}: expected labels below {num_classes} or 255, got {highest}')
    cell = rows * num_classes + columns
    return np.bincount(cell, minlength=num_classes**2).reshape(num_classes, num_classes)


def mean_iou(confusion: np.ndarray) -> float:
    """Mean IoU in percent over the classes that occur or are predicted; NaN if there is none.

    Args:
        confusion: Counts, (truth, prediction).
    """
    hit = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hit
    seen = union > 0
    return float(100 * (hit[seen] / union[seen]).mean()) if seen.any() else float('nan')
