"""Images with image-level labels, and masks only where they are asked for."""

from __future__ import annotations

import logging
import os.path as osp
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..utils.errors import WeakTrInputError, input_errors
from .data_faults import POLICIES, SKIP, STOP, run_pipeline, tolerant_labels, unreadable
from .file_index import find_sample, index_folder, read_split, resolve_samples
from .label_sources.sources import read_image_labels

_UNLABELLED = ('error', 'drop', 'keep')


@DATASETS.register_module()
class ImageLabelDataset(BaseSegDataset):
    """Segmentation data set whose supervision is one multi-hot label per image.

    The data info of a sample has, besides mmseg's own keys:

    * ``sample_id`` (str): path of the image below the image folder without suffix; it names the
      CAM and mask files of the image,
    * ``image_labels`` (list[int]): foreground ids ``0..C-1``; the mask id of a class is one more,
    * ``num_foreground`` (int): ``C``,
    * ``seg_map_path`` (str): only if ``data_prefix`` names a folder of masks. Without it nothing
      can open a mask, which is what training on image-level labels must guarantee.

    Args:
        labels: Where the labels come from, ``dict(type='voc_xml', path='Annotations')``; see
            :data:`LABEL_SOURCES`. None gives samples without
            ``image_labels``, enough for a segmentor's evaluation.
        ann_file: Split file with one image a line, with or without suffix. Empty takes every
            labelled image, or every image of the folder when there are no labels.
        data_prefix: ``img_path`` and, for scoring, ``seg_map_path``; None or absent for no masks.
        img_suffix: Suffix of the images. None accepts every format that Pillow reads.
        unlabelled: What to do with an image that has no label: ``'error'``, ``'drop'`` it, or
            ``'keep'`` it with an empty list.
        on_fault: What to do with a sample whose image, mask or label is missing, unreadable or
            unknown: ``'stop'`` with an error that names the file, or ``'skip'`` it and say so.
            To skip, every file is read once before training.
        **kwargs: Arguments of :class:`mmseg.datasets.BaseSegDataset`. ``metainfo['classes']`` has
            the background first.

    Attributes:
        faults: Sample id -> what is wrong, for the samples that were skipped.

    Raises:
        WeakTrMissingFileError: If the split file, an image, a mask asked for or a label file is
            missing.
        WeakTrInputError: If the split is empty, a label is unknown or an image has none.
    """

    def __init__(
        self,
        labels: dict | None = None,
        ann_file: str = '',
        data_prefix: dict | None = None,
        img_suffix: str | None = None,
        unlabelled: str = 'error',
        on_fault: str = STOP,
        **kwargs,
    ) -> None:
        if unlabelled not in _UNLABELLED:
            raise ValueError(f'unlabelled must be one of {_UNLABELLED}, got {unlabelled!r}')
        if on_fault not in POLICIES:
            raise ValueError(f'on_fault must be one of {POLICIES}, got {on_fault!r}')
        self.labels = labels
        self.unlabelled = unlabelled
        self.on_fault = on_fault
        self.faults: dict[str, str] = {}
        prefix = {'img_path': '', **(data_prefix or {})}
        super().__init__(
            ann_file=ann_file,
            data_prefix={key: folder for key, folder in prefix.items() if folder is not None},
            img_suffix=img_suffix,
            **kwargs,
        )

    def full_init(self) -> None:
        """List the samples as the parent does.

        Raises:
            WeakTrInputError: As described for the class.
        """
        with input_errors():
            super().full_init()

    def filter_data(self) -> list[dict]:
        """Drop the samples whose files cannot be read, if faults are to be skipped."""
        infos = super().filter_data()
        if self.on_fault == SKIP:
            self.faults.update(unreadable(infos, self.pipeline.transforms))
            infos = [info for info in infos if info['sample_id'] not in self.faults]
            if not infos:
                first = next(iter(self.faults.values()))
                raise ValueError(f'all {len(self.faults)} samples are faulty; the first: {first}')
        return infos

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on a sample.

        Returns:
            Its result; None for a faulty training sample that is to be skipped, which makes the
            parent choose another.

        Raises:
            WeakTrInputError: If the sample cannot be read or processed; names the file.
        """
        try:
            return run_pipeline(self.pipeline, self.get_data_info(idx))
        except WeakTrInputError as error:
            if self.on_fault == STOP or self.test_mode:
                raise
            print_log(f'skipped: {error}', 'current', logging.WARNING)
            return None

    def load_data_list(self) -> list[dict]:
        """List the samples; every check that needs no pixel happens here, before training.

        Returns:
            One data info per sample, in the order of the split.
        """
        img_dir = self.data_prefix['img_path']
        images = index_folder(img_dir, self.img_suffix, self.backend_args)
        sample_ids = self._split(images)
        labels = self._read_labels(sample_ids, images)
        if sample_ids is None:
            sample_ids = (
                sorted(images)
                if labels is None
                else self._resolve(sorted(labels), images, self._labels_path)
            )
        if labels is not None:
            sample_ids = self._handle_unlabelled(sample_ids, labels)
        if not sample_ids:
            first = next(iter(self.faults.values()), '')
            raise ValueError(
                f'no sample is left of {self.ann_file or img_dir}'
                + (f'; {len(self.faults)} are faulty, the first: {first}' if first else '')
            )
        infos = [self._data_info(sample_id, images[sample_id]) for sample_id in sample_ids]
        for info in infos if self._metainfo.get('classes') else ():
            info['num_foreground'] = len(self._metainfo['classes']) - 1
        if labels is not None:
            for info in infos:
                info['image_labels'] = labels.get(info['sample_id'], [])
        self._add_masks(infos)
        return infos

    @property
    def _labels_path(self) -> str:
        return '' if self.labels is None else self.labels['path']

    def _split(self, images: Mapping[str, str]) -> list[str] | None:
        """Sample ids of the split; None if there is no split file."""
        if not self.ann_file:
            return None
        return self._resolve(read_split(self.ann_file), images, self.ann_file)

    def _resolve(
        self, names: Sequence[str], images: Mapping[str, str], listed_in: str
    ) -> list[str]:
        """Sample ids of the images that a list names."""
        folder = self.data_prefix['img_path']
        if self.on_fault == STOP:
            return resolve_samples(names, images, folder, listed_in)
        found = {name: find_sample(name, images) for name in names}
        for name, sample_id in found.items():
            if sample_id is None:
                self.faults[name] = f"{listed_in}: '{name}' is not in {folder}"
        return [sample_id for sample_id in found.values() if sample_id is not None]

    def _read_labels(
        self, sample_ids: Sequence[str] | None, images: Mapping[str, str]
    ) -> dict[str, list[int]] | None:
        if self.labels is None:
            return None
        classes = self._metainfo.get('classes')
        if classes is None:
            raise ValueError("image labels need metainfo=dict(classes=['background', ...])")
        if self.on_fault == STOP:
            labels = read_image_labels(self.labels, classes, sample_ids, self.data_root)
        else:
            labels, faults = tolerant_labels(self.labels, classes, sample_ids, self.data_root)
            self.faults.update((find_sample(name, images) or name, w) for name, w in faults.items())
        return {find_sample(name, images) or name: ids for name, ids in labels.items()}

    def _handle_unlabelled(self, sample_ids: list[str], labels: dict[str, list[int]]) -> list[str]:
        bare = [sample_id for sample_id in sample_ids if not labels.get(sample_id)]
        if not bare or self.unlabelled == 'keep':
            return sample_ids
        if self.unlabelled == 'error' and self.on_fault == STOP:
            raise ValueError(
                f'{len(bare)} images have no label in {self._labels_path}, the first is '
                f"'{bare[0]}'; label them, or set unlabelled='drop' or 'keep'"
            )
        if self.unlabelled == 'error':
            for sample_id in bare:
                self.faults.setdefault(
                    sample_id, f"{self._labels_path}: '{sample_id}' has no label"
                )
        return [sample_id for sample_id in sample_ids if labels.get(sample_id)]

    def _data_info(self, sample_id: str, img_file: str) -> dict:
        return dict(
            img_path=osp.join(self.data_prefix['img_path'], img_file),
            sample_id=sample_id,
            label_map=self.label_map,
            reduce_zero_label=self.reduce_zero_label,
            seg_fields=[],
        )

    def _add_masks(self, infos: list[dict]) -> None:
        mask_dir = self.data_prefix.get('seg_map_path')
        if mask_dir is None:
            return
        masks = index_folder(mask_dir, self.seg_map_suffix, self.backend_args)
        missing = [info['sample_id'] for info in infos if info['sample_id'] not in masks]
        if missing and self.on_fault == SKIP:
            self.faults.update((i, f"{mask_dir}: no mask of '{i}'") for i in missing)
            infos[:] = [info for info in infos if info['sample_id'] in masks]
        elif missing:
            raise FileNotFoundError(
                f'{len(missing)} of {len(infos)} images have no mask in {mask_dir}; the first is '
                f"'{missing[0]}{self.seg_map_suffix}'"
            )
        for info in infos:
            info['seg_map_path'] = osp.join(mask_dir, masks[info['sample_id']])
