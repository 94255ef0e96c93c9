"""Starts the encoder of retraining from the ViT of the CAM stage."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import Tensor

from ..checkpoints import UnknownLayoutError, fit_encoder, load_state_dict
from ..checkpoints import encoder_state as published_state
from ..engine.checkpoint_files import AtomicLocalBackend
from ..models import WeakTrViT

PREFIX = 'backbone.'


def check_warm_start(cfg: Config) -> None:
    """Makes sure that the encoder of retraining can start from that of the CAM stage, if it is to.

    Args:
        cfg: A resolved pipeline.

    Raises:
        UnknownLayoutError: If it cannot; says what differs.
    """
    if not cfg.pipeline.retrain_from_cam_vit:
        return
    with DefaultScope.overwrite_default_scope('mmseg'):
        cam, vit = (
            MODELS.build({**stage.model.backbone, 'init_cfg': None})
            for stage in (cfg.cam_stage, cfg)
        )
    state = {PREFIX + name: value for name, value in cam.state_dict().items()}
    try:
        if not isinstance(cam, WeakTrViT):
            raise UnknownLayoutError('expected WeakTrViT there')
        fit_encoder(published_state(encoder_state(state)), vit)
    except UnknownLayoutError as error:
        raise UnknownLayoutError(
            f'pipeline.retrain_from_cam_vit: {type(vit).__name__} cannot start from the '
            f'{type(cam).__name__} of cam_stage: {error}'
        ) from error


def encoder_state(cam_state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters of a one-class-token ViT from those of a :class:`WeakTrCAMSegmentor`.

    The single class token and its position are the mean of those of all classes; fusion and CAM
    head are left out. The CAM stage has no final norm, so the encoder keeps its own.

    Args:
        cam_state: State dict of the CAM segmentor.

    Returns:
        State dict with the prefix ``backbone.``.
    """
    state = {
        name: value
        for name, value in cam_state.items()
        if name.startswith(PREFIX) and not name.startswith(f'{PREFIX}attention_fusion.')
    }
    classes = state[f'{PREFIX}cls_token'].size(1)
    state[f'{PREFIX}cls_token'] = state[f'{PREFIX}cls_token'].mean(dim=1, keepdim=True)
    positions = state[f'{PREFIX}pos_embed']
    state[f'{PREFIX}pos_embed'] = torch.cat(
        (positions[:, :classes].mean(dim=1, keepdim=True), positions[:, classes:]), dim=1
    )
    return state


def write_encoder_checkpoint(cam_checkpoint: str, path: str) -> None:
    """Writes :func:`encoder_state` of a CAM checkpoint of this project.

    Args:
        cam_checkpoint: Checkpoint written by mmengine in the CAM stage.
        path: Target file.
    """
    content = BytesIO()
    torch.save(dict(state_dict=encoder_state(load_state_dict(cam_checkpoint))), content)
    AtomicLocalBackend().put(content.getvalue(), path)
