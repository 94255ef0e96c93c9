"""Options of mmengine that cannot work in a pipeline, refused by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import CheckpointHook
from mmengine.runner import IterBasedTrainLoop
from mmseg.registry import DATA_SAMPLERS, HOOKS, LOOPS

from ..utils.configs import is_kind
from ..utils.errors import WeakTrInputError


def refuse_unsupported(cfg: Config, place: str = '') -> None:
    """Refuses what would leave a stage without end, or without a checkpoint for the next one.

    Args:
        cfg: Config of a training.
        place: Prefix of its keys, for messages: ``'cam_stage.'``, or nothing.

    Raises:
        WeakTrInputError: Names the key and what to write.
    """
    loop = cfg.get('train_cfg') or {}
    by_iterations = 'type' not in loop and not loop.get('by_epoch', True)
    if by_iterations or is_kind(LOOPS, loop.get('type'), IterBasedTrainLoop):
        raise WeakTrInputError(
            f'{place}train_cfg.type: a stage of a pipeline trains by epochs, got '
            f'{loop.get("type", "by_epoch=False")}; write {place}train_cfg=dict(_delete_=True, '
            "type='WeakTrEpochLoop', max_epochs=N)"
        )
    if isinstance(epochs := loop.get('max_epochs'), int) and epochs < 1:
        raise WeakTrInputError(
            f'{place}train_cfg.max_epochs: expected a positive number, got {epochs}; the next '
            'stage needs what this one learns'
        )
    if isinstance(interval := loop.get('val_interval', 1), int) and interval < 1:
        raise WeakTrInputError(
            f'{place}train_cfg.val_interval: expected a positive number of epochs, got {interval}; '
            'where no epoch is to be validated, write one beyond max_epochs'
        )
    sampler = ((cfg.get('train_dataloader') or {}).get('sampler') or {}).get('type')
    if is_kind(DATA_SAMPLERS, sampler, InfiniteSampler):
        raise WeakTrInputError(
            f'{place}train_dataloader.sampler.type: {sampler} has no end, and a stage trains '
            f'by epochs; write {place}train_dataloader.sampler.type=DefaultSampler'
        )
    level = cfg.get('log_level', 'INFO')
    if isinstance(level, str) and not isinstance(logging.getLevelName(level), int):
        raise WeakTrInputError(
            f"{place}log_level: expected 'DEBUG', 'INFO', 'WARNING' or 'ERROR', got {level!r}"
        )
    _check_checkpoints((cfg.get('default_hooks') or {}).get('checkpoint'), epochs, place)


def _check_checkpoints(hook: Mapping | None, epochs: int | None, place: str) -> None:
    key = f'{place}default_hooks.checkpoint'
    kind = (hook or {}).get('type', CheckpointHook)
    unknown = isinstance(kind, str) and HOOKS.get(kind) is None  # refused where hooks are built
    if hook is None or not (unknown or is_kind(HOOKS, kind, CheckpointHook)):
        raise WeakTrInputError(
            f'{key}: the next stage needs a checkpoint; write '
            f"{key}=dict(type='WeakTrCheckpointHook')"
        )
    for name, works, why in (
        ('out_dir', None, 'checkpoints lie in work_dir, where the next stage looks for them'),
        ('by_epoch', True, 'a stage of a pipeline trains by epochs'),
        ('filename_tmpl', None, 'checkpoints are called epoch_N.pth, as --resume expects'),
    ):
        if hook.get(name, works) != works:
            raise WeakTrInputError(f'{key}.{name}: {why}; got {hook[name]!r}, leave it out')
    interval = hook.get('interval', 1)  # None: whenever the loop validates
    never = interval is not None and (interval < 1 or interval > (epochs or interval))
    if never and not hook.get('save_last', True):
        raise WeakTrInputError(
            f'{key}: nothing would be saved with interval={interval} and save_last=False; '
            'set one of them'
        )
    if isinstance(hook.get('save_best'), (list, tuple)) and len(hook['save_best']) > 1:
        raise WeakTrInputError(
            f'{key}.save_best: one score decides for the checkpoint that the next stage takes, got '
            f'{list(hook["save_best"])}'
        )
