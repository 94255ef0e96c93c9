"""Transforms of data pipelines."""

from .load_image import WeakTrLoadImage
from .load_optional_mask import LoadOptionalMask
from .load_pseudo_label import LoadPseudoLabel
from .multi_scale import WeakTrMultiScale
from .pack_image_label_inputs import PackImageLabelInputs

__all__ = [
    'LoadOptionalMask',
    'LoadPseudoLabel',
    'PackImageLabelInputs',
    'WeakTrLoadImage',
    'WeakTrMultiScale',
]
