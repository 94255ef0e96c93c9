"""CAM stage: the authors' checkpoints from and to ours."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .coco_ids import to_contiguous, to_original
from .layouts import CAM_CLASS_DIMS, CAM_STAGE
from .names import StateDict


def import_cam(state: Mapping[str, Tensor], keep_coco_rows: bool = False) -> StateDict:
    """Converts an authors' CAM checkpoint; 90 COCO classes become 80.

    Args:
        state: Parameters by the authors' names.
        keep_coco_rows: Keep all 90, for a head with ``original_coco_ids=True``.

    Returns:
        Parameters of ``WeakTrCAMSegmentor``.

    Raises:
        UnknownLayoutError: If a parameter is missing or unknown.
    """
    converted = CAM_STAGE.rename(state)
    return converted if keep_coco_rows else to_contiguous(converted, CAM_CLASS_DIMS)


def export_cam(state: Mapping[str, Tensor]) -> StateDict:
    """Converts our CAM checkpoint to the authors' layout; 80 COCO classes become 90.

    The authors' network has a final norm that it does not use; it is written as the identity.

    Args:
        state: Parameters of ``WeakTrCAMSegmentor``.

    Returns:
        Parameters by the authors' names.

    Raises:
        UnknownLayoutError: If a parameter is missing or unknown.
    """
    exported = CAM_STAGE.inverse().rename(to_original(state, CAM_CLASS_DIMS))
    width = exported['cls_token'].size(2)
    exported['norm.weight'], exported['norm.bias'] = torch.ones(width), torch.zeros(width)
    return exported
