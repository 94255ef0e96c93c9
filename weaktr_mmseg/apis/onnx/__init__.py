"""Export of the final segmentor as ONNX. Needs ``onnx`` and ``onnxruntime``."""

from .export_segmentor import export_segmentor
from .onnx_check import Comparison, compare_with_onnxruntime
from .onnx_export import export_onnx
from .onnx_graph import OnnxSegmentor

__all__ = [
    'Comparison',
    'OnnxSegmentor',
    'compare_with_onnxruntime',
    'export_onnx',
    'export_segmentor',
]
