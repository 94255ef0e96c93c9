"""A progress bar while maps are predicted, and the disk that pseudo labels will take."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.structures import SegDataSample

from ..utils.errors import WeakTrInputError
from ..utils.progress import progress_bar

MEASURED_BATCHES = 3
MASK_BYTES = 8192  # a generous palette PNG of 500 x 375


class GenerationEstimate(Hook):
    """Shows how far a test run that predicts maps is, and weighs the files of its first batches.

    Args:
        folder: Of the CAM files.
        pending: Images to be predicted, over all processes.
        images: Images of the data set, over all processes.

    Raises:
        WeakTrInputError: After these batches, if the files will not fit on the disk.
    """

    def __init__(self, folder: Path, pending: int, images: int) -> None:
        self.folder = folder
        self.pending = pending
        self.images = images
        self.sizes: list[int] = []

    def before_test_epoch(self, runner: Runner) -> None:
        """Starts the bar."""
        self.bar = progress_bar(total=len(runner.test_dataloader), desc='Predicting CAMs (batches)')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Moves the bar, and checks the disk once enough is written."""
        self.bar.update()
        measured = min(MEASURED_BATCHES, len(runner.test_dataloader))
        if is_main_process() and batch_idx < measured:
            files = [self.folder / f'{sample.sample_id}.npz' for sample in outputs or ()]
            self.sizes += [file.stat().st_size for file in files]
            if batch_idx + 1 == measured:
                self._check_disk()

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Ends the bar."""
        self.bar.close()

    def _check_disk(self) -> None:
        cams = self.pending * sum(self.sizes) / len(self.sizes)
        size, room = cams + MASK_BYTES * self.images, shutil.disk_usage(self.folder).free
        needed, free = _gigabytes(size), _gigabytes(room)
        print_log(
            f'Pseudo labels of {self.images:,} images, {self.pending:,} without CAMs; estimate '
            f'from {len(self.sizes)}: {needed} of {free} free in {self.folder}',
            logger='current',
        )
        if size > room:
            raise WeakTrInputError(
                f'{self.folder}: pseudo labels need about {needed}, {free} are free; make room, '
                'what is written is kept'
            )


def _gigabytes(size: float) -> str:
    return f'{size / 1e9:.1f} GB' if size >= 1e9 else f'{size / 1e6:.1f} MB'
