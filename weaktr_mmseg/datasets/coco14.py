"""COCO 2014 with image-level labels."""

from __future__ import annotations

from mmseg.registry import DATASETS

from ..utils.palette import voc_palette
from .coco_categories import COCO_CATEGORIES, has_original_ids
from .image_label_dataset import ImageLabelDataset


@DATASETS.register_module()
class WeakTrCOCO14Dataset(ImageLabelDataset):
    """COCO 2014: 80 classes and background, contiguous mask ids 0..80 sorted by category id.

    Image labels come from ``annotations/instances_{train,val}2014.json``. Masks, needed for scoring
    only, are written by ``tools/dataset_converters/coco14_masks.py``. Masks with the original ids
    up to 90, as other methods use them, would be scored at a few per cent without any message; they
    are recognised in a sample of the masks and refused.

    Args:
        split: ``'train'`` or ``'val'``; chooses images and annotations.
        masks: Also list the masks, in ``masks/{split}2014``.
        unlabelled: Images without any object are dropped by default: 82,081 training and 40,137
            validation images remain, the numbers that papers report.
        **kwargs: Arguments of :class:`ImageLabelDataset`.

    Raises:
        ValueError: If the masks have ids of the 91-way form.
    """

    METAINFO = dict(
        classes=('background', *COCO_CATEGORIES.values()),
        palette=voc_palette(len(COCO_CATEGORIES) + 1),
    )

    def __init__(
        self, split: str = 'train', masks: bool = False, unlabelled: str = 'drop', **kwargs
    ) -> None:
        if split not in ('train', 'val'):
            raise ValueError(f"split must be 'train' or 'val', got {split!r}")
        defaults = dict(
            labels=dict(type='coco_json', path=f'annotations/instances_{split}2014.json'),
            data_prefix=dict(
                img_path=f'{split}2014', seg_map_path=f'masks/{split}2014' if masks else None
            ),
            img_suffix='.jpg',
        )
        super().__init__(unlabelled=unlabelled, **{**defaults, **kwargs})

    def mask_fault(self, ids: list[int], image_labels: list[int] | None) -> tuple[str, str] | None:
        """Judges the ids of a mask as the parent does, and recognises those of the 91-way form."""
        if has_original_ids(ids, image_labels):
            return 'mask-91-ids', (
                'has COCO category ids (up to 90, with gaps), expected contiguous ids 0..80; '
                'convert the folder with tools/dataset_converters/coco14_masks.py --from-91'
            )
        return super().mask_fault(ids, image_labels)
