"""Somebody's own images: a folder and a table."""

from __future__ import annotations

import os.path as osp
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from mmengine.logging import print_log
from mmseg.registry import DATASETS

from ..utils.errors import input_errors
from ..utils.palette import voc_palette
from .file_index import find_sample, index_folder, read_split
from .image_label_dataset import ImageLabelDataset
from .label_sources.class_discovery import (
    MASK_FOLDER,
    discover_classes,
    find_manifest,
    hold_out,
    manifest_labels,
)

TRAIN_SPLIT, VAL_SPLIT = 'splits/train.txt', 'splits/val.txt'


@DATASETS.register_module()
class WeakTrCustomDataset(ImageLabelDataset):
    """A folder with ``images/`` and ``labels.csv``; everything else may be missing.

    ::

        data_root/
          images/       any names, formats and sub-folders
          labels.csv    image,labels with labels joined by semicolons (or labels.json)
          classes.txt   optional: the classes in order; else the label names, sorted
          masks/        optional, for scoring only: <image name>.png, 0 background, 255 ignored
          splits/       optional: train.txt, val.txt

    If one split file is missing, that split is what the other leaves; if both are, see
    :func:`hold_out`. An image may lack its mask; then its
    data info has no ``seg_map_path``.

    Args:
        data_root: The folder.
        ann_file: ``'splits/train.txt'`` or ``'splits/val.txt'``, whether the file exists or not,
            or another split file that does.
        masks: List the masks too.
        labels: ``'auto'`` reads the folder's manifest; None leaves labels out.
        metainfo: Overrides the discovered ``classes`` and their ``palette``.
        **kwargs: Arguments of :class:`ImageLabelDataset`.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str = TRAIN_SPLIT,
        masks: bool = False,
        labels: dict | Literal['auto'] | None = 'auto',
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        self.split_name = ann_file
        with input_errors():
            metainfo = {'classes': discover_classes(data_root), **(metainfo or {})}
            if labels == 'auto':
                labels = dict(type='manifest', path=find_manifest(data_root))
        metainfo.setdefault('palette', voc_palette(len(metainfo['classes'])))
        has_masks = masks and (Path(data_root) / MASK_FOLDER).is_dir()
        defaults = dict(
            data_prefix=dict(img_path='images', seg_map_path=MASK_FOLDER if has_masks else None)
        )
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            labels=labels,
            metainfo=metainfo,
            **{**defaults, **kwargs},
        )

    @property
    def splits_itself(self) -> bool:
        """Whether a rule takes the place of the split file."""
        return self.split_name in (TRAIN_SPLIT, VAL_SPLIT) and not Path(self.ann_file).is_file()

    def own_split(self, images: Mapping[str, str], samples: Sequence[str]) -> list[str]:
        """The part of the labelled samples that the missing split file would list.

        Args:
            images: Sample id -> file of all images.
            samples: The labelled samples.
        """
        samples = sorted(samples)
        is_train = self.split_name == TRAIN_SPLIT
        other = Path(self.data_root) / (VAL_SPLIT if is_train else TRAIN_SPLIT)
        if other.is_file():
            taken = {find_sample(name, images) for name in read_split(str(other))}
            return [sample for sample in samples if sample not in taken]
        folder = Path(self.data_root) / MASK_FOLDER
        masked = index_folder(str(folder), self.seg_map_suffix) if folder.is_dir() else ()
        labels = {
            find_sample(name, images): names
            for name, names in manifest_labels(self.data_root).items()
        }
        return hold_out(samples, masked, labels)[0 if is_train else 1]

    def _split(self, images: Mapping[str, str]) -> list[str] | None:
        if not self.splits_itself:
            return super()._split(images)
        names = list(manifest_labels(self.data_root))
        return self.own_split(images, self._resolve(names, images, find_manifest(self.data_root)))

    def _add_masks(self, infos: list[dict]) -> None:
        mask_dir = self.data_prefix.get('seg_map_path')
        if mask_dir is None:
            return
        masks = index_folder(mask_dir, self.seg_map_suffix, self.backend_args)
        for info in infos:
            if info['sample_id'] in masks:
                info['seg_map_path'] = osp.join(mask_dir, masks[info['sample_id']])
        count = sum('seg_map_path' in info for info in infos)
        print_log(f'{self.split_name}: {count} of {len(infos)} images have a mask', 'current')
