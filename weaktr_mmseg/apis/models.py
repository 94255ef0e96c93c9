"""Trained networks of both stages, ready to predict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import init_model as init_untrained
from mmseg.registry import DATASETS, MODELS
from torch import nn

from ..checkpoints import locate, read_checkpoint
from ..models.checkpoint_guard import refuse_other_stage
from ..utils.configs import complete_cam_stage, read_config
from ..utils.errors import WeakTrInputError, listing
from ..utils.model_folder import model_files


def init_model(
    model: str | Path, checkpoint: str | Path | None = None, device: str = 'cpu'
) -> nn.Module:
    """Builds a trained segmentor, as mmseg's function of this name, from a published folder too.

    Args:
        model: A folder of ``tools/publish_model.py``, or a config.
        checkpoint: Weights that go with a config.
        device: Where it runs.

    Returns:
        See :func:`build_segmentor`.

    Raises:
        WeakTrInputError: If a file is missing, or the checkpoint is not of this config.
    """
    config, weights = model_files(model, checkpoint)
    return build_segmentor(read_config(config), weights, device)


def build_segmentor(cfg: Config, checkpoint: str | Path, device: str = 'cpu') -> nn.Module:
    """Builds the segmentor of a pipeline or of a retraining with mmseg's ``init_model``.

    Args:
        cfg: Its config.
        checkpoint: Its trained weights.
        device: Where it runs.

    Returns:
        The segmentor in evaluation mode with ``cfg`` and ``dataset_meta`` (``classes``,
        ``palette``).

    Raises:
        WeakTrInputError: If the config has no segmentor or the checkpoint is not of this config.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    model_type = cfg.get('model', {}).get('type')
    if model_type is None or model_type == 'WeakTrCAMSegmentor':
        raise WeakTrInputError(
            f'{cfg.filename}: expected the config of a pipeline or a segmentor, got the model '
            f'{model_type}; maps of the CAM stage are drawn by tools/visualize_cams.py'
        )
    content = read_checkpoint(checkpoint)
    if 'test_pipeline' not in cfg:  # where init_model and inference_model look for it
        cfg.test_pipeline = cfg.test_dataloader.dataset.pipeline
    model = init_untrained(cfg, None, device=device)
    _load(model, content.state_dict, checkpoint)
    model.dataset_meta = _dataset_meta(content.meta, cfg.test_dataloader.dataset)
    return model


def cam_stage_config(cfg: Config) -> Config:
    """Config of the CAM stage, from that of a pipeline or from its own.

    Raises:
        WeakTrInputError: If it is neither.
    """
    if cfg.get('cam_stage') is not None:
        return Config(complete_cam_stage(cfg).to_dict(), filename=cfg.filename)
    if cfg.get('model', {}).get('type') == 'WeakTrCAMSegmentor':
        return cfg
    raise WeakTrInputError(
        f'{cfg.filename}: expected the config of a pipeline (cam_stage) or of a CAM stage '
        f'(model WeakTrCAMSegmentor), got the model {cfg.get("model", {}).get("type")}'
    )


def build_cam_model(cfg: Config, checkpoint: str | Path, device: str = 'cpu') -> nn.Module:
    """Builds the network of the CAM stage, which then also predicts coarse maps.

    Args:
        cfg: Config of the CAM stage.
        checkpoint: Its trained weights.
        device: Where it runs.

    Returns:
        The network in evaluation mode with ``dataset_meta``.

    Raises:
        WeakTrInputError: If the checkpoint is not of this config.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    content = read_checkpoint(checkpoint)
    model_cfg = dict(cfg.model, test_cfg=dict(cfg.model.get('test_cfg') or {}, coarse=True))
    model = MODELS.build(model_cfg)
    _load(model, content.state_dict, checkpoint)
    model.dataset_meta = _dataset_meta(content.meta, cfg.test_dataloader.dataset)
    return model.to(device).eval()


def check_weights(cfg: Config, checkpoint: str | Path) -> None:
    """Refuses weights that are not all of a network's; a runner would leave the rest at random.

    Args:
        cfg: Config of a stage.
        checkpoint: A file or an address.

    Raises:
        WeakTrInputError: If the checkpoint is not of this config.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    state = read_checkpoint(locate(checkpoint)).state_dict
    _load(MODELS.build(cfg.model), state, checkpoint)


def check_device(device: str) -> str:
    """Returns the device if PyTorch can use it.

    Raises:
        WeakTrInputError: If it cannot.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise WeakTrInputError(f'device {device!r} cannot be used: {reason}') from error
    return device


def _load(model: nn.Module, state: Mapping[str, Any], path: str | Path) -> None:
    """Loads all parameters or none: a network with a part at random predicts noise."""
    try:
        refuse_other_stage(model, state)
        result = model.load_state_dict(state, strict=False)
    except (RuntimeError, ValueError, AssertionError) as error:  # mmpretrain asserts
        reason = ' '.join(str(error).split())[:300]
        raise WeakTrInputError(f'checkpoint {path}: is not of this config: {reason}') from error
    if result.missing_keys:
        raise WeakTrInputError(
            f'checkpoint {path}: is not of this config: it lacks '
            f'{listing(result.missing_keys, 2)}; it has '
            f'{listing(result.unexpected_keys or ["nothing else"], 2)}'
        )


def _dataset_meta(checkpoint_meta: Mapping[str, Any], dataset_cfg: dict) -> dict[str, Any]:
    """Class names and colours, from the checkpoint or, if converted, from the data set."""
    meta = checkpoint_meta.get('dataset_meta')
    if not meta:
        dataset_class = DATASETS.get(dataset_cfg['type'])
        meta = {**dataset_class.METAINFO, **(dataset_cfg.get('metainfo') or {})}
        if 'classes' not in meta:  # they follow from the data, as for custom images
            meta = DATASETS.build(dict(dataset_cfg, lazy_init=True, pipeline=[])).metainfo
    try:
        return {key: meta[key] for key in ('classes', 'palette')}
    except KeyError as error:
        raise WeakTrInputError(
            f'neither the checkpoint nor {dataset_cfg["type"]} names {error} of the data set'
        ) from None
