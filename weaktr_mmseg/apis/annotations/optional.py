"""Packages that only some formats need."""

from __future__ import annotations

from types import ModuleType

from ...utils.errors import WeakTrInputError


def import_coco_mask() -> ModuleType:
    """Imports ``pycocotools.mask``.

    Raises:
        WeakTrInputError: If it is not installed; says how to install it.
    """
    try:
        from pycocotools import mask
    except ImportError as error:
        raise WeakTrInputError(
            f"{error}; COCO files and polygons need it: pip install 'weaktr_mmseg[export]'"
        ) from error
    return mask
