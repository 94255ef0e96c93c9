"""Short runs of the stages on a few of the images, to learn what an image costs on this machine."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import LOOPS

from ..datasets.building import list_dataset
from ..engine.frozen_encoder_loop import FrozenEncoderLoop
from ..utils.configs import is_kind
from ..utils.memory import memory_now, memory_peak, reset_peak
from .image_costs import ImageCost, fit_cost, read_sizes

EPOCHS = 3  # of which the first warms up
TRAINED = 2  # images
ATTENDED = 64  # images of which quick mode's CAM stage holds the attention
UNTIMED_HOOKS = ('checkpoint', 'logger', 'visualization')

Clock = Callable[[], float]


@dataclass
class Timing:
    """What a short training took.

    Attributes:
        images: Images of an iteration.
        iteration: Its seconds.
        encoding: Seconds in which a frozen encoder encoded an image and its mirror image; 0 if
            none did.
        held: Bytes between iterations; None where it is unknown.
        peak: Bytes at the peak of an iteration, or of the encoding.
    """

    images: int
    iteration: float
    encoding: float = 0.0
    held: int | None = None
    peak: int | None = None


@dataclass(eq=False)
class Stopwatch(Hook):
    """Notes when the iterations of a run, and the encoding of a frozen encoder, end.

    Args:
        clock: Gives seconds.
    """

    clock: Clock = time.perf_counter
    moments: list[float] = field(default_factory=list)
    encoding: float = 0.0
    held: int | None = None
    peak: int | None = None
    priority = 'LOWEST'

    def before_encoding(self, runner: Runner) -> None:
        """Begins to measure the encoding."""
        reset_peak()
        self.encoding = -self.clock()

    def after_encoding(self, runner: Runner) -> None:
        """Ends to measure the encoding."""
        self.encoding += self.clock()
        self._note()

    def before_train(self, runner: Runner) -> None:
        """Starts the clock."""
        self.moments.append(self.clock())

    before_test_epoch = before_train

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Begins to measure the memory of an iteration."""
        reset_peak()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Notes the end of an iteration."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.moments.append(self.clock())
        self._note()

    before_test_iter, after_test_iter = before_train_iter, after_train_iter

    @property
    def times(self) -> list[float]:
        """Seconds of the iterations after the first, or of the only one."""
        times = [after - before for before, after in zip(self.moments, self.moments[1:])]
        return times[1:] or times

    def _note(self) -> None:
        self.held = memory_now()
        self.peak = max(filter(None, (self.peak, memory_peak())), default=None)


def is_frozen(stage: Config) -> bool:
    """Whether a training keeps its encoder and trains on what that computes once."""
    return is_kind(LOOPS, stage.train_cfg.type, FrozenEncoderLoop)


def time_training(stage: Config, folder: Path, clock: Clock) -> Timing:
    """Trains for a few iterations on a few images, from random numbers.

    Args:
        stage: Config of a training.
        folder: Gets what is written.
        clock: Gives seconds.
    """
    stage = _bare(stage, folder)
    images = choose_images(stage.train_dataloader.dataset, training_images(stage))
    if not is_frozen(stage):
        stage.train_dataloader.batch_size = images
    stage.train_dataloader.drop_last = False
    for key in ('updates', 'total_batch_size'):
        stage.train_cfg.pop(key, None)
    stage.train_cfg.max_epochs = EPOCHS
    stage.val_dataloader = stage.val_cfg = stage.val_evaluator = None
    stage.test_dataloader = stage.test_cfg = stage.test_evaluator = None
    stage.param_scheduler = stage.auto_scale_lr = None
    watch = _run(stage, clock, Runner.train)
    seconds = sum(watch.times) / len(watch.times)
    return Timing(images, seconds, watch.encoding / images, watch.held, watch.peak)


def training_images(stage: Config) -> int:
    """How many images a training is timed on."""
    if is_frozen(stage):
        batch = max(1, stage.train_dataloader.batch_size // 2)  # with their mirror images
        return max(batch, ATTENDED) if 'cam_head' in stage.model else batch
    # A few images would not fill a GPU.
    return stage.train_dataloader.batch_size if torch.cuda.is_available() else TRAINED


def time_prediction(stage: Config, folder: Path, clock: Clock) -> tuple[ImageCost, int | None]:
    """Predicts images of usual size and the largest.

    Args:
        stage: Config of a test.
        folder: Gets what is written.
        clock: Gives seconds.

    Returns:
        What an image costs, and the bytes at the peak of the largest; None where it is unknown.
    """
    stage = _bare(stage, folder)
    loader = stage.test_dataloader
    sizes = read_sizes(list_dataset(loader.dataset))
    loader.dataset.indices = list(sizes.indices)
    loader.batch_size = 1
    watch = _run(stage, clock, Runner.test)
    return fit_cost(sizes, *watch.times), watch.peak


def choose_images(dataset: dict, count: int) -> int:
    """Leaves a data set so many of its images, spread over the list; returns how many there are."""
    total = len(list_dataset(dataset))
    count = min(count, total)
    dataset['indices'] = [index * total // count for index in range(count)]
    return count


def _bare(stage: Config, folder: Path) -> Config:
    """A stage that loads no weights, writes no checkpoints and works in this process."""
    stage = copy.deepcopy(stage)
    stage.work_dir, stage.launcher, stage.resume, stage.load_from = str(folder), 'none', False, None
    stage.experiment_name = str(folder)
    stage.model.backbone.init_cfg = None
    hooks = {k: v for k, v in (stage.get('default_hooks') or {}).items() if k not in UNTIMED_HOOKS}
    stage.default_hooks = dict(hooks, checkpoint=None, logger=None)
    for name in ('train_dataloader', 'test_dataloader'):
        if stage.get(name):
            stage[name].update(num_workers=0, persistent_workers=False)
            stage[name].pop('prefetch_factor', None)
    return stage


def _run(stage: Config, clock: Clock, job: Callable[[Runner], Any]) -> Stopwatch:
    watch = Stopwatch(clock)
    runner = Runner.from_cfg(stage)
    runner.register_hook(watch)
    job(runner)
    return watch
