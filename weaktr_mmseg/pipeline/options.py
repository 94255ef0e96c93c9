"""The options of a pipeline, ``pipeline=dict(...)`` and ``pseudo_labels=dict(...)``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from ..datasets.data_faults import POLICIES
from ..pseudo_labels.label_rule import RULE_KEYS, LabelRule, rule_options
from ..pseudo_labels.threshold_choice import OTSU, check_threshold
from ..refinement import refuse_crf_key
from ..utils.errors import WeakTrInputError, check_choice, input_errors
from ..utils.keys import refuse_misspelt, refuse_unknown
from ..utils.precision import check_precision

# Options of ``pipeline`` and their defaults; docs/configuration.md explains them.
DEFAULTS: dict[str, Any] = dict(
    stages=None,
    encoder=None,
    retrain=True,
    relabel=False,
    masks=False,
    retrain_from_cam_vit=False,
    check_pixels=False,
    on_fault=None,
    precision=None,
    resume_changed=False,
)
FROZEN, FROZEN_CAM = 'frozen', 'frozen_cam'
LABEL_KEYS = (*RULE_KEYS, 'threshold', 'trusted_masks', 'workers', 'score_split')
# Keys at the top level that the training of a segmentor does not know.
PIPELINE_KEYS = ('runner_type', 'pipeline', 'cam_stage', 'pseudo_labels')
# What mmengine reads at the top level of a config; anything else there is a variable.
RUNNER_KEYS = (
    *('model', 'work_dir', 'train_dataloader', 'val_dataloader', 'test_dataloader'),
    *('train_cfg', 'val_cfg', 'test_cfg', 'val_evaluator', 'test_evaluator'),
    *('optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'default_hooks', 'custom_hooks'),
    *('data_preprocessor', 'load_from', 'resume', 'launcher', 'env_cfg', 'log_processor'),
    *('log_level', 'visualizer', 'vis_backends', 'default_scope', 'randomness'),
    *('experiment_name', 'custom_imports', 'compile', 'model_wrapper_cfg'),
    *('tta_model', 'tta_pipeline', 'activation_checkpointing', 'efficient_conv_bn_eval'),
)
# Of earlier versions: where the value goes now.
MOVED = ('retrain_from_cam_vit', 'check_pixels', 'on_fault', 'resume_changed')


def pipeline_options(cfg: Config) -> ConfigDict:
    """The options of a pipeline with their defaults.

    Args:
        cfg: Config of a pipeline.

    Raises:
        WeakTrInputError: If one is unknown or has a wrong value, or stands where it did in an
            earlier version.
    """
    for key in MOVED:
        if key in cfg:
            raise WeakTrInputError(
                f'{key}: moved; write pipeline=dict({key}={cfg[key]!r}), or --cfg-options '
                f'pipeline.{key}={cfg[key]}'
            )
    given = cfg.get('pipeline') or {}
    if not isinstance(given, Mapping):
        raise WeakTrInputError(f'pipeline: expected a dict of options, got {given!r}')
    refuse_unknown(given, DEFAULTS, 'pipeline')
    options = ConfigDict({**DEFAULTS, **given})
    for key, default in DEFAULTS.items():
        if isinstance(default, bool) and not isinstance(options[key], bool):
            raise WeakTrInputError(f'pipeline.{key}: expected True or False, got {options[key]!r}')
    if options.encoder is not None:
        check_choice('pipeline.encoder', options.encoder, (FROZEN, FROZEN_CAM))
    if options.on_fault is not None:
        check_choice('pipeline.on_fault', options.on_fault, POLICIES)
    if options.precision is not None:
        check_precision(options.precision, 'pipeline.precision')
    return options


def check_stage_keys(stage: Mapping[str, Any], place: str) -> None:
    """Finds what is written nearly as a key that mmengine reads, and would be ignored.

    Args:
        stage: Config of a training.
        place: Its place in the config, such as ``'cam_stage'``; empty for the top level.

    Raises:
        WeakTrInputError: If there is such a key, or one of an earlier version.
    """
    refuse_misspelt(stage, (*RUNNER_KEYS, *PIPELINE_KEYS), place)
    if 'batch_per_process' in (stage.get('train_cfg') or {}):
        raise WeakTrInputError(
            f'{f"{place}." if place else ""}train_cfg.batch_per_process: gone; batch_size is that '
            'of each process now, and train_cfg.total_batch_size that of all together'
        )


def check_label_options(options: dict) -> None:
    """Finds before hours of training what would be at fault after them.

    Args:
        options: ``pseudo_labels`` of a pipeline.

    Raises:
        WeakTrInputError: If a key is unknown or a value is out of range.
    """
    with input_errors():
        refuse_crf_key(options, 'pseudo_labels')
    refuse_unknown(options, LABEL_KEYS, 'pseudo_labels')
    trusted = options.get('trusted_masks')
    if trusted is not None and not Path(trusted).is_dir():
        raise WeakTrInputError(f'pseudo_labels.trusted_masks: {trusted}: no such folder')
    workers = options.get('workers', 0)
    if not isinstance(workers, int) or workers < 0:
        raise WeakTrInputError(f'pseudo_labels.workers: expected a number >= 0, got {workers!r}')
    with input_errors('pseudo_labels'):
        check_threshold(options.get('threshold', OTSU))
        LabelRule(0.5, **rule_options(options))
