"""Conversion of any supported checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping

from torch import Tensor

from .augreg import augreg_to_timm
from .convert_cam import export_cam, import_cam
from .convert_encoder import convert_encoder, initialise_cam_stage
from .convert_segmenter import export_segmenter, import_segmenter
from .io import load_state_dict, save_state_dict
from .layouts import Layout, recognise
from .names import StateDict, UnknownLayoutError

CONVERTERS = {
    Layout.AUTHORS_CAM: import_cam,
    Layout.AUTHORS_SEGMENTER: import_segmenter,
    Layout.OURS_CAM: export_cam,
    Layout.OURS_SEGMENTER: export_segmenter,
}


def convert_state_dict(
    state: Mapping[str, Tensor], cam_classes: int | None = None
) -> tuple[StateDict, Layout]:
    """Convert parameters to the other side: published ones to ours, ours to the authors'.

    Args:
        state: parameters by name.
        cam_classes: for ImageNet encoders only: number of foreground classes of the CAM stage to
            start from it; None to start the segmentation stage.

    Returns:
        The converted parameters and what the given ones were.

    Raises:
        UnknownLayoutError: the parameters are not exactly those of a supported layout.
        ValueError: ``cam_classes`` is given for a checkpoint that is no ImageNet encoder.
    """
    layout = recognise(state)
    try:
        if layout in CONVERTERS:
            if cam_classes is not None:
                raise ValueError(
                    f'a number of CAM classes is for ImageNet encoders, but this is {layout.value}'
                )
            return CONVERTERS[layout](state), layout
        if layout is Layout.AUGREG_NPZ:
            state = augreg_to_timm(state)
        if cam_classes is None:
            return convert_encoder(state), layout
        return initialise_cam_stage(state, cam_classes), layout
    except UnknownLayoutError as error:
        raise UnknownLayoutError(f'looks like {layout.value}, but {error}') from error


def convert_checkpoint(
    source: str | os.PathLike, target: str | os.PathLike, cam_classes: int | None = None
) -> Layout:
    """Read, recognise, convert and write a checkpoint.

    Args:
        source: a ``.npz`` or PyTorch checkpoint.
        target: the file to write.
        cam_classes: see :func:`convert_state_dict`.

    Returns:
        What ``source`` was.

    Raises:
        FileNotFoundError: ``source`` does not exist.
        ValueError: ``source`` cannot be read or converted; the message names it.
    """
    state = load_state_dict(source)
    try:
        converted, layout = convert_state_dict(state, cam_classes)
    except ValueError as error:
        raise type(error)(f'{source}: {error}') from error
    save_state_dict(converted, target, meta=dict(converted_from=layout.value))
    return layout
