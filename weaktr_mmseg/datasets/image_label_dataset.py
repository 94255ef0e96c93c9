"""Images with image-level labels, and masks only where they are requested."""

from __future__ import annotations

import logging
import os.path as osp
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..utils.errors import WeakTrInputError, input_errors
from .data_faults import POLICIES, SKIP, STOP, run_pipeline, unreadable
from .faults import ERROR, WARNING, Fault, FaultError, raise_first, whole_fault
from .file_index import FolderIndex, index_folder, read_split
from .label_sources.rows import ImageLabels, check_class_number, merge
from .label_sources.sources import resolve_source, scan_labels
from .listing_cache import collection_paused, remember
from .mask_faults import check_some_masks, missing_masks, stray_masks
from .names import odd_names
from .renumbering import refuse_renumbering

_UNLABELLED = ('error', 'drop', 'keep')
# Of the state of a data set, what its list of samples does not depend on.
_NOT_LISTED_BY = (
    *('pipeline', 'test_mode', 'on_fault', 'faults', 'filter_cfg', 'max_refetch'),
    *('serialize_data', 'data_list', 'data_bytes', 'data_address'),
    *('_indices', '_fully_initialized'),
)
_REMEDY = (
    'label them, or say what to do with them in all stages of a pipeline: unlabelled=keep '
    '(they show no class) or unlabelled=drop'
)


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

    :meth:`scan` lists samples and faults; loading raises the first fault or, with
    ``on_fault='skip'``, leaves faulty samples out, and the checks before training print all.

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
            the background first. Those that renumber masks but not labels are refused.

    Attributes:
        faults: Sample id -> what is wrong, for the samples that were skipped.

    Raises:
        WeakTrMissingFileError: If the split file, an image, a requested mask or a label file is
            missing.
        WeakTrInputError: If the split is empty, a label is unknown, an image has none, or an
            option would renumber masks.
    """

    #: Whether every image must have its mask where masks are requested.
    masks_required = True

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
        lazy_init = kwargs.pop('lazy_init', False)
        super().__init__(
            ann_file=ann_file,
            data_prefix={key: folder for key, folder in prefix.items() if folder is not None},
            img_suffix=img_suffix,
            lazy_init=True,
            **kwargs,
        )
        with input_errors():
            check_class_number(len(self._metainfo.get('classes') or ()) - 1)
        refuse_renumbering(self)
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Lists the samples as the parent does.

        Raises:
            WeakTrInputError: As described for the class.
        """
        with input_errors():
            super().full_init()

    def load_data_list(self) -> list[dict]:
        """Lists the samples; every check that needs no image happens here, before training.

        Returns:
            One data info per sample, in the order of the split.
        """
        infos, faults = self.scan()
        if self.on_fault == STOP:
            raise_first(faults)
        raise_first([fault for fault in faults if not fault.sample])
        for fault in faults:
            if fault.severity == ERROR:
                self.faults.setdefault(fault.sample, fault.line)
        infos = [dict(info) for info in infos if info['sample_id'] not in self.faults]
        if not infos:
            first = next(iter(self.faults.values()), '')
            raise ValueError(
                f'no sample is left of {self._place}'
                + (f'; {len(self.faults)} are faulty, the first: {first}' if first else '')
            )
        return infos

    def filter_data(self) -> list[dict]:
        """Drops the samples whose files cannot be read, if faults are to be skipped."""
        infos = super().filter_data()
        if self.on_fault == SKIP:
            self.faults.update(unreadable(infos, self.pipeline.transforms))
            infos = [info for info in infos if info['sample_id'] not in self.faults]
            if not infos:
                first = next(iter(self.faults.values()))
                raise ValueError(f'all {len(self.faults)} samples are faulty; the first: {first}')
        return infos

    def prepare_data(self, idx: int) -> Any:
        """Runs the pipeline on a sample.

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

    def scan(self) -> tuple[list[dict], list[Fault]]:
        """Lists the samples and everything that is wrong with them, opening no image.

        Returns:
            Data infos of the samples whose image exists, faulty ones included, and the faults in
            the order found. Faults that have a ``sample`` concern that sample alone. The infos are
            shared, so nobody may change them.
        """
        with collection_paused():
            infos, faults = remember(self._listing_key(), self._scan_or_fail)
            return infos, list(faults)

    def _listing_key(self) -> tuple:
        """Everything that the list of samples depends on, and perhaps more."""
        state = {key: value for key, value in vars(self).items() if key not in _NOT_LISTED_BY}
        return type(self), repr(state)

    def _scan_or_fail(self) -> tuple[list[dict], list[Fault]]:
        faults: list[Fault] = []
        try:
            return self._scan(faults), faults
        except FaultError as error:
            return [], [*faults, error.fault]

    def mask_fault(self, ids: list[int], image_labels: list[int] | None) -> tuple[str, str] | None:
        """Judges the ids of a mask.

        Args:
            ids: All ids that occur in it.
            image_labels: Foreground ids of its image, if known.

        Returns:
            Name of the check and message, or None for a good mask.
        """
        number = len(self._metainfo['classes'])
        unknown = [i for i in ids if i >= number and i != self.ignore_index]
        if not unknown:
            return None
        return 'mask-ids', f'has ids {unknown}, expected 0..{number - 1} or {self.ignore_index}'

    @property
    def _place(self) -> str:
        return self.ann_file or self.data_prefix['img_path']

    def _scan(self, faults: list[Fault]) -> list[dict]:
        folder = self.data_prefix['img_path']
        with whole_fault('images', folder):
            images = index_folder(folder, self.img_suffix, self.backend_args)
        faults += images.faults
        with whole_fault('split', self.ann_file):
            sample_ids = self._split(images, faults)
        labels = self._find_labels(images, sample_ids, faults)
        if sample_ids is None:
            sample_ids = sorted(images if labels is None else labels)
        if labels is not None:
            sample_ids = self._handle_unlabelled(sample_ids, labels, faults)
        if not sample_ids and not any(fault.severity == ERROR for fault in faults):
            faults.append(Fault('split-empty', self._place, 'no image is left'))
        prefix = osp.join(folder, '')
        common = dict(label_map=self.label_map, reduce_zero_label=self.reduce_zero_label)
        if self._metainfo.get('classes'):
            common['num_foreground'] = len(self._metainfo['classes']) - 1
        infos = [
            dict(common, img_path=prefix + images[name], sample_id=name, seg_fields=[])
            for name in sample_ids
        ]
        if labels is not None:
            for info in infos:
                info['image_labels'] = labels.get(info['sample_id'], [])
        self._find_masks(images, infos, faults)
        return infos

    def _split(self, images: FolderIndex, faults: list[Fault]) -> list[str] | None:
        """Sample ids of the split; None if there is no split file."""
        if not self.ann_file:
            return None
        sample_ids, found = images.resolve(read_split(self.ann_file), self.ann_file)
        faults += found
        return sample_ids

    def _find_labels(
        self, images: FolderIndex, sample_ids: list[str] | None, faults: list[Fault]
    ) -> dict[str, list[int]] | None:
        """Foreground ids of the labelled samples; None if labels are not requested."""
        if self.labels is None:
            return None
        classes = self._metainfo.get('classes')
        with whole_fault('label-file', self.labels.get('path') or 'labels'):
            if classes is None:
                raise ValueError("image labels need metainfo=dict(classes=['background', ...])")
            path = resolve_source(self.labels, self.data_root)
            rows = scan_labels(self.labels, classes, sample_ids, self.data_root)
        # A table says what a person wants; other sources may know more images than are used.
        every_row = sample_ids is None or self.labels['type'] == 'manifest'
        known: list[tuple[str, ImageLabels]] = []
        missing: list[Fault] = []
        for row in rows:
            sample_id = images.find(row.image)
            if sample_id is not None:
                faults += images.ambiguous(row.image, row.where)
                known.append((sample_id, row))
            elif every_row:
                missing += [images.missing(row.image, row.where), *row.faults]
        labels, found = merge(known)
        faults += found + missing
        for name, problem in odd_names(classes).items():
            faults.append(Fault('class-name', path, f"'{name}' {problem}", severity=WARNING))
        if sample_ids is None:
            faults += images.unlisted(labels, path)
        return labels

    def _handle_unlabelled(
        self, sample_ids: list[str], labels: dict[str, list[int]], faults: list[Fault]
    ) -> list[str]:
        if self.unlabelled == 'drop':
            return [sample_id for sample_id in sample_ids if labels.get(sample_id)]
        if self.unlabelled == 'error' and self.labels is not None:
            path = resolve_source(self.labels, self.data_root)
            at_fault = {fault.sample for fault in faults}
            for sample_id in sample_ids:
                if not labels.get(sample_id) and sample_id not in at_fault:
                    message = f"'{sample_id}' has no label"
                    faults.append(Fault('label-missing', path, message, sample_id, hint=_REMEDY))
        return sample_ids

    def _find_masks(self, images: FolderIndex, infos: list[dict], faults: list[Fault]) -> None:
        """Adds the masks and what is wrong with them."""
        folder = self.data_prefix.get('seg_map_path')
        if folder is None:
            return
        with whole_fault('masks', folder):
            masks = index_folder(folder, self.seg_map_suffix, self.backend_args)
        faults += masks.faults
        prefix = osp.join(folder, '')
        for info in infos:
            if (mask := masks.get(info['sample_id'])) is not None:
                info['seg_map_path'] = prefix + mask
        faults += missing_masks(masks, infos) if self.masks_required else stray_masks(masks, images)
        if not any(fault.severity == ERROR for fault in faults):
            faults += check_some_masks(self.mask_fault, infos, folder)
