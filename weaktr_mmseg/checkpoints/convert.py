"""Conversion of any supported checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping

from torch import Tensor

from ..utils.errors import WeakTrInputError
from .convert_cam import export_cam, import_cam
from .convert_segmenter import export_segmenter, import_segmenter
from .encoders import encoder_state, repeat_class_token, resize_kernel
from .fit import FINAL_NORM, KERNEL
from .io import load_state_dict, save_state_dict
from .layouts import ENCODERS, Layout, recognise
from .names import StateDict, UnknownLayoutError, named

PATCH_SIZE = 16  # of the authors' networks
CONVERTERS = {
    Layout.AUTHORS_CAM: import_cam,
    Layout.AUTHORS_SEGMENTER: import_segmenter,
    Layout.OURS_CAM: export_cam,
    Layout.OURS_SEGMENTER: export_segmenter,
}


def convert_state_dict(
    state: Mapping[str, Tensor], cam_classes: int | None = None, keep_coco_rows: bool = False
) -> tuple[StateDict, Layout]:
    """Converts parameters to the other side: published ones to ours, ours to the authors'.

    Args:
        state: Parameters by name.
        cam_classes: For encoders only: number of foreground classes of the CAM stage to start
            from it; None to start the segmentation stage.
        keep_coco_rows: For the authors' COCO networks only: keep the rows of unused ids, for heads
            with ``original_coco_ids=True``.

    Returns:
        The converted parameters and what the given ones were.

    Raises:
        UnknownLayoutError: If the parameters are not exactly those of a supported layout.
        WeakTrInputError: If ``cam_classes`` is below 1 or is given for a checkpoint that is no
            encoder.
    """
    layout = recognise(state)
    if layout in ENCODERS:
        return _convert_encoder(state, cam_classes), layout
    if cam_classes is not None:
        raise WeakTrInputError(
            f'a number of CAM classes is for encoders alone, but this is {layout.value}'
        )
    options = dict(keep_coco_rows=True) if keep_coco_rows else {}
    if options and layout not in (Layout.AUTHORS_CAM, Layout.AUTHORS_SEGMENTER):
        raise WeakTrInputError(
            f"keep_coco_rows: expected a checkpoint of WeakTr's authors, but this is {layout.value}"
        )
    try:
        return CONVERTERS[layout](state, **options), layout
    except UnknownLayoutError as error:
        raise UnknownLayoutError(f'looks like {layout.value}, but {error}') from error


def convert_checkpoint(
    source: str | os.PathLike,
    target: str | os.PathLike,
    cam_classes: int | None = None,
    keep_coco_rows: bool = False,
) -> Layout:
    """Reads, recognises, converts and writes a checkpoint.

    Args:
        source: A PyTorch checkpoint, ``.npz`` or ``.safetensors``.
        target: The file to write.
        cam_classes: See :func:`convert_state_dict`.
        keep_coco_rows: See :func:`convert_state_dict`.

    Returns:
        What ``source`` was.

    Raises:
        WeakTrMissingFileError: If ``source`` does not exist.
        WeakTrInputError: If ``source`` cannot be read or converted; the message names it.
    """
    state = load_state_dict(source)
    with named(source):
        converted, layout = convert_state_dict(state, cam_classes, keep_coco_rows)
    save_state_dict(converted, target, meta=dict(converted_from=layout.value))
    return layout


def _convert_encoder(state: Mapping[str, Tensor], cam_classes: int | None) -> StateDict:
    """An encoder with patches of 16 px, for the CAM stage without the final norm."""
    encoder = encoder_state(state)
    encoder[KERNEL] = resize_kernel(encoder[KERNEL], (PATCH_SIZE, PATCH_SIZE))
    if cam_classes is not None:
        if cam_classes < 1:
            raise WeakTrInputError(
                f'the number of classes must be at least 1, but got {cam_classes}'
            )
        encoder = repeat_class_token(encoder, cam_classes)
        encoder = {k: v for k, v in encoder.items() if not k.startswith(FINAL_NORM)}
    return {f'backbone.{name}': tensor for name, tensor in encoder.items()}
