"""Starts the encoder of retraining from the ViT of the CAM stage."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import torch
from torch import Tensor

from ..checkpoints import load_state_dict
from ..engine.checkpoint_files import AtomicLocalBackend

PREFIX = 'backbone.'


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
