"""Builds what a stage will build, before the first stage starts."""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from mmseg.evaluation import IoUMetric
from mmseg.registry import OPTIMIZERS
from torch import nn
from torch.utils.data import Dataset

from ..datasets.building import build_dataset, list_dataset
from ..evaluation import WeakTrCAMMetric, WeakTrScoreWriter
from ..utils.configs import LOADERS
from ..utils.errors import WeakTrError, WeakTrInputError
from .refusals import refuse_unsupported
from .stage import Run, Stage
from .warm_start import check_warm_start

NAME = 'preflight'
SAMPLES = 1 << 20
CAM_SCORES = ('image_map', 'fused_miou', 'fused_miou_oracle', 'coarse_miou', 'coarse_miou_oracle')


def check_stage(cfg: Config, place: str = '') -> None:
    """Builds model, data sets, loops, hooks, optimizer, schedules and metrics once.

    Images are neither listed nor read, no checkpoint is loaded, and nothing is written.

    Args:
        cfg: Config of a stage for mmengine's runner; not changed.
        place: Prefix of its keys, for messages: ``'cam_stage.'``, or nothing.

    Raises:
        WeakTrInputError: If something cannot be built, or cannot work in a pipeline; names the key.
    """
    cfg = copy.deepcopy(cfg)
    for loader in LOADERS:
        if cfg.get(loader):
            with config_faults(f'{place}{loader}.dataset'):
                cfg[loader] = _with_stand_in(cfg[loader])
    check_mixed_precision(cfg, place)
    train_cfg = cfg.get('train_cfg') or {}
    if train_cfg.get('updates') and train_cfg.get('max_epochs') is None:
        train_cfg.update(max_epochs=1, val_interval=1)  # the data decides, see fit_schedule
    with tempfile.TemporaryDirectory() as folder, without_traces():
        cfg.work_dir = folder
        with config_faults(f'{place}model, hooks'):
            placed: type[_DryRunner] = type('_PlacedRunner', (_DryRunner,), dict(place=place))
            runner = placed.from_cfg(cfg)
        runner.build_all()


def check_pipeline(cfg: Config, stages: Sequence[Stage]) -> None:
    """Applies :func:`check_stage` to every stage of a pipeline.

    Args:
        cfg: A resolved pipeline.
        stages: Its stages.

    Raises:
        WeakTrInputError: If a stage cannot be built or cannot work in a pipeline, retraining cannot
            start from the CAM stage, or ``pseudo_labels.score_split`` cannot be read.
    """
    run = Run(cfg, Path(cfg.work_dir))
    for stage in stages:
        for place, config in stage.configs(run):
            if config.get('train_cfg') is not None:
                refuse_unsupported(config, place)
            check_stage(config, place)
    if 'retrain' in {stage.name for stage in stages}:
        with config_faults('pipeline.retrain_from_cam_vit'):
            check_warm_start(cfg)
    split = cfg.pseudo_labels.get('score_split')
    if split is not None:
        with config_faults('pseudo_labels.score_split'):
            list_dataset({**cfg.cam_stage.test_dataloader.dataset, 'ann_file': split})


@contextmanager
def config_faults(place: str) -> Iterator[None]:
    """Turns any error of building from a config into one that names the place.

    Only what builds belongs within: there, an error means a wrong config. What runs afterwards is
    left alone, so that bugs show their traceback.

    Raises:
        WeakTrInputError: In place of any other exception.
    """
    try:
        yield
    except WeakTrError:
        raise
    except Exception as error:
        reason = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        reason = reason.strip().splitlines()[0] if reason.strip() else ''
        reason = reason.partition(' Please check whether')[0]
        raise WeakTrInputError(f'{place}: {reason or type(error).__name__}') from error


class _StandIn(Dataset):
    """More samples than any batch has, which are never read."""

    def __init__(self, dataset: Any) -> None:
        self.metainfo = dataset.metainfo

    def __len__(self) -> int:
        return SAMPLES


def _with_stand_in(loader: ConfigDict) -> ConfigDict:
    """A loader whose data set is built without listing its samples, then replaced."""
    dataset = build_dataset(loader['dataset'], lazy_init=True)
    return ConfigDict({**loader, 'dataset': _StandIn(dataset)})


class _DryRunner(Runner):
    """mmengine's runner without files, logs and devices, which builds but never runs."""

    place = ''  # prefix of the keys
    _train_loop: Any
    optim_wrapper: Any
    param_schedulers: Any

    def build_all(self) -> None:
        """Builds what training and testing would."""
        place = self.place
        if self._train_loop is not None:
            with config_faults(f'{place}train_cfg, train_dataloader'):
                self._train_loop = self.build_train_loop(self._train_loop)
            self._check_optimizer_type(place)
            with config_faults(f'{place}optim_wrapper'):
                self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
            with config_faults(f'{place}auto_scale_lr'):
                self.scale_lr(self.optim_wrapper, self.auto_scale_lr)
            if self.param_schedulers is not None:
                with config_faults(f'{place}param_scheduler'):
                    self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
        for kind in ('val', 'test'):
            loop = getattr(self, f'_{kind}_loop')
            if loop is None:
                continue
            with config_faults(f'{place}{kind}_cfg, {kind}_dataloader, {kind}_evaluator'):
                built = getattr(self, f'build_{kind}_loop')(loop)
            names = score_names(built.evaluator, f'{place}{kind}_evaluator')
            if kind == 'val' and names is not None:
                self._check_monitored(names, place)

    def _check_optimizer_type(self, place: str) -> None:
        """An unknown optimizer; mmengine says of it that None cannot be called."""
        kind = (self.optim_wrapper or {}).get('optimizer', {}).get('type')
        if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
            known = {**OPTIMIZERS.module_dict, **OPTIMIZERS.parent.module_dict}
            by_lower = {name.lower(): name for name in known}
            close = get_close_matches(kind.lower(), by_lower, n=1)
            hint = f'; did you mean {by_lower[close[0]]}?' if close else ''
            raise WeakTrInputError(
                f'{place}optim_wrapper.optimizer.type: no optimizer {kind!r}{hint}'
            )

    def _check_monitored(self, names: set[str], place: str) -> None:
        wanted = []
        for hook in self.hooks:
            if isinstance(hook, CheckpointHook):
                keys = getattr(hook, 'key_indicators', None) or ()
                wanted += [('default_hooks.checkpoint.save_best', k) for k in keys if k != 'auto']
            elif isinstance(hook, EarlyStoppingHook):
                wanted.append(('custom_hooks: monitor of EarlyStoppingHook', hook.monitor))
        schedules = self.param_schedulers if isinstance(self.param_schedulers, list) else []
        wanted += [
            (f'param_scheduler: monitor of {type(schedule).__name__}', schedule.monitor)
            for schedule in schedules
            if hasattr(schedule, 'monitor')
        ]
        for key, name in wanted:
            if name not in names:
                raise WeakTrInputError(
                    f'{place}{key}: expected a score of val_evaluator '
                    f'({", ".join(sorted(names))}), got {name!r}'
                )

    def wrap_model(self, wrapper: dict | None, model: nn.Module) -> nn.Module:
        return model

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        return MMLogger.get_instance(NAME, log_level=logging.CRITICAL)

    def build_message_hub(self, *args: Any, **kwargs: Any) -> MessageHub:
        return MessageHub.get_instance(NAME)

    def build_visualizer(self, visualizer: Any = None) -> Visualizer:
        with config_faults(f'{self.place}visualizer'):
            super().build_visualizer(copy.deepcopy(visualizer))
        return Visualizer.get_instance(NAME)  # which is given no config to save

    def _log_env(self, env_cfg: dict) -> None:
        pass

    def dump_config(self) -> None:
        pass


def _with_key(method: str, key: str) -> Callable[..., Any]:
    """A method of mmengine's runner whose faults name the key of the config that it reads."""

    def call(self: _DryRunner, *args: Any, **kwargs: Any) -> Any:
        with config_faults(f'{self.place}{key}'):
            return getattr(Runner, method)(self, *args, **kwargs)

    return call


_KEYS = dict(set_randomness='randomness', setup_env='env_cfg', build_model='model')
_KEYS |= dict(register_default_hooks='default_hooks', register_custom_hooks='custom_hooks')
for _method, _key in _KEYS.items():
    setattr(_DryRunner, _method, _with_key(_method, _key))


def score_names(evaluator: Evaluator, place: str) -> set[str] | None:
    """The scores that an evaluator gives, from one made-up prediction.

    Args:
        evaluator: Built, with its metrics.
        place: Its key, for messages.

    Returns:
        Their names; None if there is a metric of another project.

    Raises:
        WeakTrInputError: If a metric cannot compute what was requested.
    """
    names: set[str] = set()
    for metric in evaluator.metrics:
        with config_faults(place):
            found = _scores_of(metric)
        if found is None:
            return None
        names |= {f'{metric.prefix}/{name}' if metric.prefix else name for name in found}
    return names


def _scores_of(metric: BaseMetric) -> set[str] | None:
    if isinstance(metric, WeakTrCAMMetric):
        return set(CAM_SCORES)
    if isinstance(metric, WeakTrScoreWriter):
        return set()
    if not isinstance(metric, IoUMetric):
        return None
    if metric.format_only:
        return set()
    metric.output_dir = metric.prediction_dir = None
    mask = dict(data=torch.zeros(1, 2, 2, dtype=torch.long))
    metric.dataset_meta = dict(classes=['background', 'object'])
    metric.process({}, [dict(pred_sem_seg=mask, gt_sem_seg=mask)])
    return set(metric.compute_metrics(metric.results))


def check_mixed_precision(cfg: Config, place: str) -> None:
    """Refuses mmengine's mixed precision on a machine without GPU.

    Raises:
        WeakTrInputError: Says what to set instead.
    """
    wrapper = cfg.get('optim_wrapper')
    amp = isinstance(wrapper, Mapping) and wrapper.get('type') == 'AmpOptimWrapper'
    if amp and not torch.cuda.is_available():
        raise WeakTrInputError(
            f'{place}optim_wrapper.type: AmpOptimWrapper needs a GPU and there is none; set '
            f'{place}optim_wrapper.type=OptimWrapper'
        )


@contextmanager
def without_traces() -> Iterator[None]:
    """Logs nothing, and removes what mmengine registers by name while a runner is built."""
    managers = (MMLogger, MessageHub, Visualizer, DefaultScope)
    before = {manager: dict(manager._instance_dict) for manager in managers}
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        for manager, instances in before.items():
            manager._instance_dict.clear()
            manager._instance_dict.update(instances)
