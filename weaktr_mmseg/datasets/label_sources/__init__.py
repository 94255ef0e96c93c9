"""Image-level labels from every file format that holds them."""

from .sources import ForegroundClasses, read_image_labels, resolve_source

__all__ = [
    'ForegroundClasses',
    'read_image_labels',
    'resolve_source',
]
