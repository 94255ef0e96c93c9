"""Writes a segmentor as an ONNX file."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from mmseg.models import EncoderDecoder

from ...utils.files import atomic_path
from .onnx_graph import OnnxSegmentor

DEFAULT_OPSET = 17  # the first with layer normalisation


def export_onnx(
    segmentor: EncoderDecoder,
    path: str | os.PathLike,
    opset: int = DEFAULT_OPSET,
    metainfo: dict[str, Any] | None = None,
) -> None:
    """Writes the file, with dynamic batch, height and width.

    The graph takes ``image``, RGB uint8 (B, H, W, 3), and gives ``logits``, float32 (B, K, H, W).

    Args:
        segmentor: Trained segmentor.
        path: File to write.
        opset: Version of the ONNX operators, at least 14.
        metainfo: Values to store in the file's metadata, as JSON.

    Raises:
        WeakTrInputError: If the segmentor has no plain vision transformer.
        ValueError: If ``opset`` is below 14.
    """
    if opset < 14:
        raise ValueError(f'opset: expected at least 14 (attention), got {opset}')
    graph = OnnxSegmentor(segmentor)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        _trace(graph, str(temporary), opset)
        model = onnx.load(str(temporary))
        for key, value in (metainfo or {}).items():
            model.metadata_props.add(key=key, value=json.dumps(value))
        onnx.checker.check_model(model)
        onnx.save(model, str(temporary))


def _trace(graph: OnnxSegmentor, path: str, opset: int) -> None:
    options = dict(
        input_names=['image'],
        output_names=['logits'],
        dynamic_axes=dict(
            image={0: 'batch', 1: 'height', 2: 'width'},
            logits={0: 'batch', 2: 'height', 3: 'width'},
        ),
        opset_version=opset,
    )
    if 'dynamo' in inspect.signature(torch.onnx.export).parameters:
        options['dynamo'] = False  # the tracing exporter, which every supported PyTorch has
    with torch.no_grad(), _without_fast_path(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of size checks in the frameworks, settled by padding
        torch.onnx.export(graph, (graph.example(),), path, **options)


@contextlib.contextmanager
def _without_fast_path() -> Iterator[None]:
    """Keeps PyTorch's attention modules from a fused kernel that has no ONNX form."""
    switch = getattr(torch.backends, 'mha', None)
    if switch is None:  # PyTorch 2.1 has none and its exporter needs none
        yield
        return
    enabled = switch.get_fastpath_enabled()
    switch.set_fastpath_enabled(False)
    try:
        yield
    finally:
        switch.set_fastpath_enabled(enabled)
