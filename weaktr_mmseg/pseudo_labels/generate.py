"""From a folder of CAM files to a folder of masks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch.utils.data import DataLoader, Dataset

from ..utils.confusion import confusion_matrix
from ..utils.masks import IGNORE_INDEX, read_mask, read_stamped_mask, write_mask
from ..utils.progress import progress_bar
from ..utils.workers import start_worker
from .cam_files import read_cams
from .label_rule import LabelRule

CAM_FOLDER = 'cams'
MASK_FOLDER = 'masks'


class MaskSample(NamedTuple):
    """Paths of one image.

    Attributes:
        image: The image.
        cams: Its CAM file.
        mask: The mask to write.
        truth: Its mask to score with, if any.
        trusted: A mask by a person, which becomes the pseudo label, if any.
    """

    image: str
    cams: str
    mask: str
    truth: str | None = None
    trusted: str | None = None


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
        trusted = sample.trusted
        stamp = self.rule.stamp(sample.cams) if trusted is None else _stamp_of(trusted)
        labels = _finished_mask(sample.mask, stamp)
        if labels is None:
            labels = self._made(sample) if trusted is None else self._trusted(trusted, sample)
            write_mask(sample.mask, labels, self.palette, stamp)
        classes = len(self.palette)
        if sample.truth is None:
            return np.zeros((classes, classes), np.int64)
        return confusion_matrix(read_mask(sample.truth), labels, classes)

    def _made(self, sample: MaskSample) -> np.ndarray:
        image = self.read_image(sample.image) if self.rule.refine else None
        return self.rule.apply(read_cams(sample.cams), image)

    def _trusted(self, path: str, sample: MaskSample) -> np.ndarray:
        labels, size = read_mask(path), read_cams(sample.cams).cams.shape[1:]
        if labels.shape != size:
            raise ValueError(
                f'{path}: expected the size {size} of {sample.image}, got {labels.shape}'
            )
        highest = labels[labels != IGNORE_INDEX].max(initial=0)
        if highest >= len(self.palette):
            raise ValueError(
                f'{path}: expected labels 0..{len(self.palette) - 1} or 255, got {highest}'
            )
        return labels


def _stamp_of(trusted: str) -> str:
    return hashlib.blake2b(Path(trusted).read_bytes(), digest_size=16).hexdigest()


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

    Masks that an interrupted run with the same rule made of the same CAM files, or of the same
    trusted masks, are kept.

    Args:
        samples: What to read and to write.
        rule: How labels are made.
        palette: RGB colours of all classes, background first.
        read_image: Reads an image file as RGB, uint8 (H, W, 3).
        workers: Number of processes beside this one; 0 works in this one.

    Returns:
        Confusion matrix over the samples that have a truth, int64 (truth, prediction).

    Raises:
        ValueError: If a trusted mask has another size than its image, or an unknown label.
    """
    writer = _MaskWriter(samples, rule, palette, read_image)
    total = np.zeros((len(palette), len(palette)), np.int64)
    for confusion in progress_bar(_run(writer, workers), len(samples), 'Writing masks'):
        total += confusion
    return total


def _run(writer: _MaskWriter, workers: int) -> Iterable[np.ndarray]:
    loader = DataLoader(writer, batch_size=None, num_workers=workers, worker_init_fn=start_worker)
    return (np.asarray(confusion) for confusion in loader)
