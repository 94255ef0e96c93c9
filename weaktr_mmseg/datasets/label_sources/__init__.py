"""Image-level labels from every file format that holds them."""

from .rows import ForegroundClasses
from .sources import read_image_labels, resolve_source

__all__ = [
    'ForegroundClasses',
    'read_image_labels',
    'resolve_source',
]
