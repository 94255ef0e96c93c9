"""What a run of a pipeline will take on this machine, from a short calibration."""

from __future__ import annotations

import copy
import io
import os
import tempfile
import time
from contextlib import redirect_stderr
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..pseudo_labels.generate import CAM_FOLDER, MASK_FOLDER, MaskSample, write_masks
from ..pseudo_labels.label_rule import LabelRule, rule_options
from ..utils.images import read_rgb
from ..utils.masks import write_mask
from . import stage_configs as stages
from .calibration import (
    PREDICTED,
    Clock,
    Timing,
    choose_images,
    is_frozen,
    time_prediction,
    time_training,
    training_images,
)
from .mask_stage import datasets_with_labels
from .preflight import without_traces
from .stage import chosen_stages
from .update_schedule import fit_schedules, list_dataset


@dataclass(frozen=True)
class Estimate:
    """What a run will take, about.

    Attributes:
        seconds: Of each stage, by its title.
        memory: Bytes at the peak, of the GPU if there is one, without processes that load data;
            None where it cannot be known.
    """

    seconds: dict[str, float]
    memory: int | None

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())


def estimate_run(cfg: Config, clock: Clock = time.perf_counter) -> Estimate:
    """Runs each stage on a few images and extrapolates to all of them.

    Networks have their real sizes and see real images at their real sizes, but random parameters.
    On a CPU a training iteration has few images and is extrapolated to the batch.

    Args:
        cfg: A resolved pipeline whose data have no fault; not changed.
        clock: Gives seconds.
    """
    cfg = copy.deepcopy(cfg)
    with tempfile.TemporaryDirectory() as folder, without_traces(), redirect_stderr(io.StringIO()):
        fit_schedules(cfg)
        cfg.work_dir = folder
        return _Calibration(cfg, Path(folder), clock).estimate()


class _Calibration:
    def __init__(self, cfg: Config, folder: Path, clock: Clock) -> None:
        self.cfg = cfg
        self.folder = folder
        self.clock = clock
        self.names = {stage.name: stage.title for stage in chosen_stages(cfg.pipeline)}
        self.labelled = [len(list_dataset(dataset)) for dataset in datasets_with_labels(cfg)]
        self.peaks: list[int] = []

    def estimate(self) -> Estimate:
        seconds = dict(cam=self._training(stages.cam_training_config(self.cfg), 'cam'))
        seconds['pseudo_labels'] = self._labels()
        if 'relabel' in self.names:
            seconds['relabel'] = self._relabelling()
        if 'retrain' in self.names:
            labels = stages.RELABEL_DIR if stages.relabels(self.cfg) else stages.PSEUDO_LABEL_DIR
            self._write_blank_labels(self.cfg, labels)
            seconds['retrain'] = self._training(stages.retraining_config(self.cfg), 'retrain')
            images = len(list_dataset(self.cfg.test_dataloader.dataset))
            config = stages.retrained_test_config(self.cfg, '')
            seconds['evaluation'] = images * self._prediction(config, 'evaluation')
            seconds['masks'] = sum(self.labelled) * seconds['evaluation'] / images
        named = {self.names[key]: value for key, value in seconds.items() if key in self.names}
        return Estimate(named, max(self.peaks, default=None))

    def _training(self, stage: Config, name: str) -> float:
        timing = time_training(stage, self.folder / f'training_{name}', self.clock)
        images = len(list_dataset(stage.train_dataloader.dataset))
        epochs, batch = stage.train_cfg.max_epochs, stage.train_dataloader.batch_size
        if is_frozen(stage):
            self._note(timing, 1)
            iterations = epochs * ceil(2 * images / batch)  # images and mirror images
            return images * timing.encoding + iterations * timing.iteration
        self._note(timing, min(batch, images) / timing.images)
        return epochs * images * timing.iteration / timing.images

    def _relabelling(self) -> float:
        """Seconds of the first segmentor and its masks."""
        first = stages.relabelling_pipeline(self.cfg)
        self._write_blank_labels(first, stages.PSEUDO_LABEL_DIR)
        training = self._training(stages.relabelling_config(first), 'relabel')
        config = stages.retrained_test_config(first, '')
        return training + self.labelled[0] * self._prediction(config, 'relabel')

    def _prediction(self, stage: Config, name: str) -> float:
        timing = time_prediction(stage, self.folder / f'prediction_{name}', self.clock)
        self._note(timing, 1)
        return timing.iteration

    def _labels(self) -> float:
        """Seconds of maps and masks."""
        folder, options = self.folder / 'prediction_labels', self.cfg.pseudo_labels
        writer = [dict(type='WeakTrCAMWriter', folder=str(folder / CAM_FOLDER))]
        config = stages.cam_inference_config(self.cfg, '', writer, folder)
        maps = self._prediction(config, 'labels')
        dataset = copy.deepcopy(config.test_dataloader.dataset)
        choose_images(dataset, PREDICTED)
        built = list_dataset(dataset)
        samples = [_mask_sample(built.get_data_info(i), folder) for i in range(len(built))]
        rule = LabelRule(0.5, **rule_options(options))
        begin = self.clock()
        write_masks(samples, rule, built.metainfo['palette'], read_rgb)
        workers = min(max(options.get('workers', 0), 1), os.cpu_count() or 1)
        masks = (self.clock() - begin) / len(samples) / workers
        compared = self.labelled[-1] if options.get('score_split') else 0
        return self.labelled[0] * (maps + masks) + compared * maps

    def _write_blank_labels(self, stage: Config, folder: str) -> None:
        """Labels without any object for the images that a training will be timed on."""
        dataset = copy.deepcopy(stage.train_dataloader.dataset)
        choose_images(dataset, training_images(stage))
        built = list_dataset(dataset)
        for info in (built.get_data_info(index) for index in range(len(built))):
            mask = np.zeros(read_rgb(info['img_path']).shape[:2], np.uint8)
            path = self.folder / folder / MASK_FOLDER / f'{info["sample_id"]}.png'
            write_mask(path, mask, built.metainfo['palette'])

    def _note(self, timing: Timing, batches: float) -> None:
        """Notes the peak of an iteration with so many times the images."""
        if timing.peak is None or timing.held is None:
            return
        self.peaks.append(round(timing.held + batches * max(timing.peak - timing.held, 0)))


def _mask_sample(info: dict, folder: Path) -> MaskSample:
    name = info['sample_id']
    return MaskSample(
        info['img_path'],
        cams=str(folder / CAM_FOLDER / f'{name}.npz'),
        mask=str(folder / MASK_FOLDER / f'{name}.png'),
    )
