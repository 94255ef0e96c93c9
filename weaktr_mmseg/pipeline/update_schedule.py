"""Schedules that count updates: epochs, validations and learning rates follow from the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.logging import print_log

from ..datasets.building import list_dataset
from ..utils.errors import WeakTrInputError

# Fewer epochs would leave the rates no time to fall; with more, nearly all time goes into workers
# that start anew.
MIN_EPOCHS, MAX_EPOCHS = 3, 2000
VALIDATIONS = 10
# Keys of a schedule that count epochs.
EPOCH_KEYS = ('begin', 'end', 'total_steps', 'warmup_steps', 'T_max')


def fit_schedule(stage: Mapping[str, Any], place: str = '') -> dict[str, Any]:
    """Derives what a training with ``train_cfg.updates`` leaves open.

    * ``train_cfg.max_epochs=None`` becomes the epochs that hold so many updates, between
      :data:`MIN_EPOCHS` and :data:`MAX_EPOCHS`; a number stays as it is,
    * ``train_cfg.val_interval=None`` becomes a tenth of that,
    * schedules by epoch are stretched, so that the last of them ends with the training.

    Args:
        stage: Config of a training.
        place: Its place in the config for messages and keys, ``'cam_stage.'`` or nothing.

    Returns:
        New values by dotted keys, as ``Config.merge_from_dict`` and ``--cfg-options`` take them;
        empty without ``train_cfg.updates``.

    Raises:
        WeakTrInputError: If ``updates`` is no positive integer, or the data cannot be listed.
    """
    train_cfg = stage.get('train_cfg') or {}
    updates = train_cfg.get('updates')
    if updates is None:
        return {}
    if not isinstance(updates, int) or isinstance(updates, bool) or updates < 1:
        raise WeakTrInputError(
            f'{place}train_cfg.updates: expected a positive integer or None, got {updates!r}'
        )
    epochs = train_cfg.get('max_epochs')
    if epochs is None:
        epochs = _count_epochs(stage, updates, place)
    options = {'train_cfg.max_epochs': epochs}
    if train_cfg.get('val_interval') is None:
        options['train_cfg.val_interval'] = max(1, round(epochs / VALIDATIONS))
    options.update(_stretched(stage.get('param_scheduler') or [], epochs))
    return {f'{place}{key}': value for key, value in options.items()}


def fit_schedules(cfg: Config) -> None:
    """Applies :func:`fit_schedule` to both trainings of a resolved pipeline, in place."""
    cfg.merge_from_dict({**fit_schedule(cfg.cam_stage, 'cam_stage.'), **fit_schedule(cfg)})


def epochs_for_updates(updates: int, images: int, batch: int, drop_last: bool = False) -> int:
    """Computes the epochs that hold at least so many updates, within the bounds.

    Examples:
        >>> [epochs_for_updates(5000, images, 64) for images in (50, 500, 50_000)]
        [2000, 625, 7]
    """
    an_epoch = images // batch if drop_last else math.ceil(images / batch)
    return min(max(math.ceil(updates / max(an_epoch, 1)), MIN_EPOCHS), MAX_EPOCHS)


def _count_epochs(stage: Mapping[str, Any], updates: int, place: str) -> int:
    loader = stage['train_dataloader']
    images = len(list_dataset(loader['dataset']))
    batch = stage['train_cfg'].get('total_batch_size')
    if batch is None:
        accumulated = (stage.get('optim_wrapper') or {}).get('accumulative_counts', 1)
        batch = loader['batch_size'] * get_world_size() * accumulated
    epochs = epochs_for_updates(updates, images, batch, loader.get('drop_last', False))
    print_log(
        f'{place}train_cfg: {updates:,} updates asked for, {images:,} images, {batch} an update: '
        f'{epochs:,} epochs',
        logger='current',
    )
    return epochs


def _stretched(schedules: Any, epochs: int) -> dict[str, int]:
    """New values of the keys that count epochs."""
    single = isinstance(schedules, Mapping)
    places = [('', schedules)] if single else [(f'{i}.', s) for i, s in enumerate(schedules)]
    counted = {
        f'param_scheduler.{place}{key}': schedule[key]
        for place, schedule in places
        if schedule.get('by_epoch', True)
        for key in EPOCH_KEYS
        if schedule.get(key)
    }
    planned = max(counted.values(), default=epochs)
    return {key: value * epochs // planned for key, value in counted.items()}
