"""Quick mode for any pipeline: the recipe on a frozen encoder in place of the configured one."""

from __future__ import annotations

import copy

from mmengine.config import Config

from ..utils.configs import LOADERS
from ..utils.errors import WeakTrInputError
from ..utils.shipped_files import shipped_folder
from .options import FROZEN

# Bases of quick mode: model, data and schedule of each stage.
CAM_BASES = (
    'models/weaktr_cam_frozen_dinov2-s',
    'datasets/custom_cam_frozen',
    'schedules/frozen_cam',
)
SEGMENTOR_BASES = (
    'models/weaktr_segmenter_frozen_dinov2-s',
    'datasets/custom_retrain_frozen',
    'schedules/frozen_retrain',
)
PLUS_BASES = (  # of the segmentor of the plus recipe
    SEGMENTOR_BASES[0],
    'datasets/custom_retrain_plus',
    'schedules/retrain_plus',
)
SCHEDULE_KEYS = ('optim_wrapper', 'param_scheduler', 'train_cfg', 'val_cfg', 'test_cfg')
SAVE_EVERY = 4  # epochs; each file has the whole encoder
LOADER_KEYS = ('batch_size', 'num_workers', 'persistent_workers')


def freeze_encoders(cfg: Config) -> None:
    """Puts models, schedules and image sizes of quick mode into the stages, in place.

    ``pipeline.encoder`` says into which: ``'frozen'`` both, ``'frozen_cam'`` the CAM stage.

    Data sets, labels, classes, thresholds, seeds and hooks stay those of the config; everything
    else about training is replaced. ``pipeline.encoder`` is reset, so that a dumped config, which
    has all of this in it, can be changed and run.

    Args:
        cfg: A pipeline with a complete ``cam_stage``.

    Raises:
        WeakTrInputError: If the segmentor is to start from the ViT of the CAM stage.
    """
    if cfg.pipeline.retrain_from_cam_vit:
        raise WeakTrInputError(
            f'pipeline.encoder={cfg.pipeline.encoder!r}: the encoder stays as it is pretrained; '
            'leave out pipeline.retrain_from_cam_vit=True'
        )
    _replace(cfg.cam_stage, CAM_BASES, _classes(cfg.cam_stage.model.cam_head))
    if cfg.pipeline.encoder == FROZEN:
        freeze_segmentor(cfg)
    cfg.pipeline.encoder = None


def freeze_segmentor(cfg: Config) -> None:
    """Puts model, schedule and image sizes of quick mode's segmentor into a config, in place."""
    _replace(cfg, SEGMENTOR_BASES, _classes(cfg.model.decode_head))


def fine_tune_segmentor(cfg: Config) -> None:
    """Puts those of the plus recipe's segmentor into a config, in place."""
    _replace(cfg, PLUS_BASES, _classes(cfg.model.decode_head))


def _replace(stage: Config, bases: tuple[str, str, str], num_classes: int) -> None:
    model, data, schedule = (copy.deepcopy(_base(name)) for name in bases)
    stage.model, stage.data_preprocessor = model.model, model.data_preprocessor
    for part in ('backbone', 'cam_head', 'decode_head'):
        if 'num_classes' in stage.model.get(part, {}):
            stage.model[part].num_classes = num_classes
    stage.model.backbone.init_cfg.checkpoint = _base('custom_pretrained').pretrained
    for key in SCHEDULE_KEYS:
        stage[key] = schedule[key]
    stage.pop('auto_scale_lr', None)
    for loader in LOADERS:
        stage[loader].update({key: data[loader][key] for key in LOADER_KEYS if key in data[loader]})
        stage[loader].dataset.pipeline = data[loader].dataset.pipeline
    stage.setdefault('default_hooks', {})['checkpoint'] = {
        **_base('default_runtime').default_hooks.checkpoint,
        'interval': SAVE_EVERY,
    }


def _classes(head: dict | list[dict]) -> int:
    return (head[-1] if isinstance(head, list) else head)['num_classes']


def _base(name: str) -> Config:
    return Config.fromfile(shipped_folder() / f'configs/_base_/{name}.py')
