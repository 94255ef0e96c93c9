"""Pascal VOC 2012 with image-level labels."""

from __future__ import annotations

from mmseg.datasets import PascalVOCDataset
from mmseg.registry import DATASETS

from .image_label_dataset import ImageLabelDataset


@DATASETS.register_module()
class WeakTrVOCDataset(ImageLabelDataset):
    """Pascal VOC 2012: 20 classes and background, image labels from the object annotations.

    ``data_root`` is the folder ``VOC2012`` of the devkit; the splits are
    ``ImageSets/Segmentation/{train,trainaug,val,test}.txt``.

    Args:
        data_prefix: Defaults to the images alone. Add ``seg_map_path='SegmentationClass'`` to score
            the ``train`` or ``val`` split.
        labels: Defaults to ``dict(type='voc_xml', path='Annotations')``; None for the test split,
            which has no annotations.
        img_suffix: Suffix of the images.
        **kwargs: Arguments of :class:`ImageLabelDataset`.
    """

    METAINFO = PascalVOCDataset.METAINFO

    def __init__(
        self,
        labels: dict | None = dict(type='voc_xml', path='Annotations'),  # noqa: B006
        data_prefix: dict | None = None,
        img_suffix: str = '.jpg',
        **kwargs,
    ) -> None:
        data_prefix = {'img_path': 'JPEGImages', **(data_prefix or {})}
        super().__init__(labels=labels, data_prefix=data_prefix, img_suffix=img_suffix, **kwargs)
