"""Time and disk that pseudo labels will take, from the first batches, and a progress bar."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.structures import SegDataSample

from ..pseudo_labels.cam_files import read_cams
from ..pseudo_labels.label_rule import LabelRule
from ..utils.errors import WeakTrInputError
from ..utils.images import read_rgb
from ..utils.progress import progress_bar

MEASURED_BATCHES = 3  # the first of them, which warms up, is not timed
MEASURED_MASKS = 2
MASK_BYTES = 8192  # a generous palette PNG of 500 x 375


class GenerationEstimate(Hook):
    """Measures the first batches of a test run that predicts maps, then says what all will take.

    Args:
        folder: Of the CAM files.
        rule: How masks will be made; its threshold does not affect the time.
        pending: Images to be predicted, over all processes.
        images: Images of the data set, over all processes.
        processes: Number of processes that will write masks.

    Raises:
        WeakTrInputError: After the measurement, if the files will not fit on the disk.
    """

    def __init__(
        self, folder: Path, rule: LabelRule, pending: int, images: int, processes: int
    ) -> None:
        self.folder = folder
        self.rule = rule
        self.pending = pending
        self.images = images
        self.processes = processes
        self.samples: list[SegDataSample] = []
        self.moments: list[float] = []

    def before_test_epoch(self, runner: Runner) -> None:
        """Starts the bar and the clock."""
        self.bar = progress_bar(total=len(runner.test_dataloader), desc='Predicting CAMs (batches)')
        self.moments.append(time.perf_counter())

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Moves the bar, and gives the estimate once enough is measured."""
        self.bar.update()
        batches = len(runner.test_dataloader)
        measured = min(MEASURED_BATCHES, batches)
        if is_main_process() and batch_idx < measured:
            self.moments.append(time.perf_counter())
            self.samples += outputs or ()
            if batch_idx + 1 == measured:
                self._report(batches - measured)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Ends the bar."""
        self.bar.close()

    def _report(self, batches_ahead: int) -> None:
        timed = self.moments[1:] if len(self.moments) > 2 else self.moments
        batch_seconds = (timed[-1] - timed[0]) / (len(timed) - 1)
        image_bytes = self._mean_bytes()
        mask_seconds = self._mask_seconds()
        needed = image_bytes * self.pending + MASK_BYTES * self.images
        free = shutil.disk_usage(self.folder).free
        print_log(
            f'Pseudo labels of {self.images:,} images, {self.pending:,} without CAMs; estimate '
            f'from {len(self.samples)}: CAMs {_duration(batch_seconds * batches_ahead)} '
            f'({batch_seconds:.2f} s a batch), masks at most '
            f'{_duration(mask_seconds * self.images / self.processes)} '
            f'({mask_seconds:.2f} s an image, {self.processes} at a time), '
            f'disk {_gigabytes(needed)} of {_gigabytes(free)} free in {self.folder}',
            logger='current',
        )
        if needed > free:
            raise WeakTrInputError(
                f'{self.folder}: pseudo labels need about {_gigabytes(needed)}, '
                f'{_gigabytes(free)} are free; make room, what is written is gone on with'
            )

    def _mean_bytes(self) -> float:
        sizes = [self._cam_file(sample).stat().st_size for sample in self.samples]
        return sum(sizes) / len(sizes)

    def _mask_seconds(self) -> float:
        samples = self.samples[-MEASURED_MASKS:]
        start = time.perf_counter()
        for sample in samples:
            image = read_rgb(sample.img_path) if self.rule.refine else None
            self.rule.apply(read_cams(self._cam_file(sample)), image)
        return (time.perf_counter() - start) / len(samples)

    def _cam_file(self, sample: SegDataSample) -> Path:
        return self.folder / f'{sample.sample_id}.npz'


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _gigabytes(size: float) -> str:
    return f'{size / 1e9:.1f} GB' if size >= 1e9 else f'{size / 1e6:.1f} MB'
