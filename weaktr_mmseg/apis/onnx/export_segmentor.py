"""From the config and checkpoint of a run to a checked ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.config import Config
from mmseg.models import EncoderDecoder

from ...utils.errors import WeakTrInputError
from ..models import build_segmentor
from .onnx_check import Comparison, compare_with_onnxruntime
from .onnx_export import DEFAULT_OPSET, export_onnx


def export_segmentor(
    cfg: Config,
    checkpoint: str | os.PathLike,
    path: str | os.PathLike,
    opset: int = DEFAULT_OPSET,
    sizes: Sequence[tuple[int, int]] = (),
) -> list[Comparison]:
    """Writes the segmentor of a run and compares the file with PyTorch at several sizes.

    Names and colours of the classes are stored in the file.

    Args:
        cfg: Config of a pipeline or of retraining.
        checkpoint: Checkpoint of that run.
        path: ONNX file to write.
        opset: Version of the ONNX operators.
        sizes: Heights and widths to compare at, besides :func:`usual_shapes`.

    Returns:
        One comparison for each size.

    Raises:
        WeakTrInputError: If the config has no segmentor that can be exported, or the checkpoint
            is absent, unreadable or of another model.
        ValueError: If ``opset`` is too low.
    """
    segmentor = build_segmentor(cfg, os.fspath(checkpoint))
    if not isinstance(segmentor, EncoderDecoder):
        raise WeakTrInputError(
            f'{cfg.filename}: expected the config of a pipeline or of retraining, whose model is '
            f'an EncoderDecoder; got {type(segmentor).__name__}'
        )
    metainfo = {
        'classes': list(segmentor.dataset_meta['classes']),
        'palette': [list(map(int, colour)) for colour in segmentor.dataset_meta['palette']],
    }
    export_onnx(segmentor, path, opset, metainfo)
    shapes = [*usual_shapes(segmentor), *((1, *size) for size in sizes)]
    return compare_with_onnxruntime(segmentor, path, shapes)


def usual_shapes(segmentor: EncoderDecoder) -> list[tuple[int, int, int]]:
    """Input shapes to compare at: the trained size, others, and no multiples of the patch.

    Args:
        segmentor: A segmentor with a vision transformer.

    Returns:
        Batch, height and width of each.
    """
    height, width = segmentor.backbone.img_size
    return [
        (1, height, width),
        (1, height * 3 // 4 + 1, width + 7),
        (2, height // 2 - 3, width // 2 + 5),
    ]
