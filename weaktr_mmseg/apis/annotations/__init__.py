"""Masks in the formats of annotation tools, and back."""

from .class_names import find_classes, read_classes
from .export import FORMATS, Exported, export_masks
from .import_masks import READERS, Imported, import_masks, read_annotations
from .writer import AnnotationWriter, ExportOptions

__all__ = [
    'FORMATS',
    'READERS',
    'AnnotationWriter',
    'ExportOptions',
    'Exported',
    'Imported',
    'export_masks',
    'find_classes',
    'import_masks',
    'read_annotations',
    'read_classes',
]
