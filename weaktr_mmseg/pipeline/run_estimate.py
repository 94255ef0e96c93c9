"""What a run of a pipeline will take on this machine, from a short calibration."""

from __future__ import annotations

import copy
import io
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..datasets.building import list_dataset
from ..pseudo_labels.generate import CAM_FOLDER, MASK_FOLDER, write_masks
from ..pseudo_labels.label_rule import LabelRule, rule_options
from ..utils.images import read_rgb
from ..utils.masks import write_mask
from . import stage_configs as stages
from .calibration import (
    Clock,
    choose_images,
    is_frozen,
    time_prediction,
    time_training,
    training_images,
)
from .image_costs import ImageCost, fit_cost, read_sizes
from .mask_stage import datasets_with_labels
from .preflight import without_traces
from .pseudo_label_stage import mask_sample
from .stage import chosen_stages
from .unscored import tests_nothing
from .update_schedule import fit_schedules

LABELS = 'prediction_labels'  # folder of maps and masks


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
        self.data = datasets_with_labels(cfg)
        self.labelled = [read_sizes(list_dataset(dataset)) for dataset in self.data]
        self.peaks: list[int | None] = []

    def estimate(self) -> Estimate:
        seconds = dict(cam=self._training(stages.cam_training_config(self.cfg), 'cam'))
        maps = self._map_cost()
        seconds['cam'] += _validations(self.cfg.cam_stage, maps)
        seconds['pseudo_labels'] = self._labels(maps)
        if 'relabel' in self.names:
            seconds['relabel'] = self._relabelling()
        if 'retrain' in self.names:
            labels = stages.RELABEL_DIR if stages.relabels(self.cfg) else stages.PSEUDO_LABEL_DIR
            self._write_blank_labels(self.cfg, labels)
            seconds['retrain'] = self._training(stages.retraining_config(self.cfg), 'retrain')
            cost = self._mask_cost(self.cfg, 'masks')
            seconds['retrain'] += _validations(self.cfg, cost)
            tested = not tests_nothing(self.cfg)
            seconds['evaluation'] = _all(self.cfg.test_dataloader, cost) if tested else 0.0
            seconds['masks'] = sum(map(cost.of, self.labelled))
        named = {self.names[key]: value for key, value in seconds.items() if key in self.names}
        peaks = [peak for peak in self.peaks if peak is not None]
        return Estimate(named, max(peaks) if len(peaks) == len(self.peaks) else None)

    def _training(self, stage: Config, name: str) -> float:
        timing = time_training(stage, self.folder / f'training_{name}', self.clock)
        images = len(list_dataset(stage.train_dataloader.dataset))
        epochs, batch = stage.train_cfg.max_epochs, stage.train_dataloader.batch_size
        if is_frozen(stage):
            self.peaks.append(timing.peak)
            iterations = epochs * ceil(2 * images / batch)  # images and mirror images
            return images * timing.encoding + iterations * timing.iteration
        if timing.peak is None or timing.held is None:
            self.peaks.append(None)
        else:
            grown = max(timing.peak - timing.held, 0) * min(batch, images) / timing.images
            self.peaks.append(round(timing.held + grown))
        return epochs * images * timing.iteration / timing.images

    def _relabelling(self) -> float:
        """Seconds of the first segmentor and its masks."""
        first = stages.relabelling_pipeline(self.cfg)
        self._write_blank_labels(first, stages.PSEUDO_LABEL_DIR)
        training = self._training(stages.relabelling_config(first), 'relabel')
        return training + self._mask_cost(first, 'relabel').of(self.labelled[0])

    def _prediction(self, stage: Config, folder: Path) -> ImageCost:
        cost, peak = time_prediction(stage, folder, self.clock)
        self.peaks.append(peak)
        return cost

    def _mask_cost(self, cfg: Config, name: str) -> ImageCost:
        """What a mask by a segmentor costs."""
        folder = self.folder / f'prediction_{name}'
        config = stages.final_masks_config(cfg, '', self.data[0], folder, None)
        return self._prediction(config, folder)

    def _map_cost(self) -> ImageCost:
        """What the maps of an image cost."""
        folder = self.folder / LABELS
        writer = [dict(type='WeakTrCAMWriter', folder=str(folder / CAM_FOLDER))]
        return self._prediction(stages.cam_inference_config(self.cfg, '', writer, folder), folder)

    def _labels(self, maps: ImageCost) -> float:
        """Seconds of maps and masks; the maps of a few images are there."""
        options, sizes = self.cfg.pseudo_labels, self.labelled[0]
        built = list_dataset(self.data[0])
        rule, times = LabelRule(0.5, **rule_options(options)), []
        for index in sizes.indices:
            sample = mask_sample(built.get_data_info(index), self.folder / LABELS)
            begin = self.clock()
            write_masks([sample], rule, built.metainfo['palette'], read_rgb)
            times.append(self.clock() - begin)
        workers = min(max(options.get('workers', 0), 1), os.cpu_count() or 1)
        masks = fit_cost(sizes, *times[1:]).of(sizes) / workers
        compared = self.labelled[-1:] if options.get('score_split') else []
        return masks + sum(map(maps.of, [sizes, *compared]))

    def _write_blank_labels(self, stage: Config, folder: str) -> None:
        """Labels without any object for the images that a training will be timed on."""
        dataset = copy.deepcopy(stage.train_dataloader.dataset)
        choose_images(dataset, training_images(stage))
        built = list_dataset(dataset)
        for info in (built.get_data_info(index) for index in range(len(built))):
            mask = np.zeros(read_rgb(info['img_path']).shape[:2], np.uint8)
            path = self.folder / folder / MASK_FOLDER / f'{info["sample_id"]}.png'
            write_mask(path, mask, built.metainfo['palette'])


def _all(loader: Mapping, cost: ImageCost) -> float:
    """Seconds of all images of a loader."""
    return cost.of(read_sizes(list_dataset(loader['dataset'])))


def _validations(stage: Config, cost: ImageCost) -> float:
    """Seconds of the validations during a training."""
    loader, loop = stage.get('val_dataloader'), stage.train_cfg
    if not loader:
        return 0.0
    first, last, every = loop.get('val_begin', 1), loop.max_epochs, loop.get('val_interval', 1)
    validated = [e for e in range(first, last + 1) if e % every == 0 or e == last]
    return len(validated) * _all(loader, cost) if validated else 0.0
