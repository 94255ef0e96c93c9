"""Images with image-level labels."""

from .coco14 import WeakTrCOCO14Dataset
from .custom_dataset import WeakTrCustomDataset
from .demo_scenes import WeakTrDemoDataset
from .image_label_dataset import ImageLabelDataset
from .transforms import *  # noqa: F403
from .voc12 import WeakTrVOCDataset

__all__ = [
    'ImageLabelDataset',
    'WeakTrCOCO14Dataset',
    'WeakTrCustomDataset',
    'WeakTrDemoDataset',
    'WeakTrVOCDataset',
]
