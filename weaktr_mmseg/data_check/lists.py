"""Checks of splits, labels and file names: all that needs no pixel."""

from __future__ import annotations

import os.path as osp
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..datasets.custom_dataset import WeakTrCustomDataset
from ..datasets.file_index import find_sample, index_folder, read_split
from ..datasets.image_label_dataset import ImageLabelDataset
from ..datasets.label_sources.class_discovery import manifest_labels
from ..datasets.label_sources.manifest_labels import read_manifest
from ..datasets.label_sources.sources import ForegroundClasses, read_image_labels, resolve_source
from .problems import Report


@dataclass
class Listing:
    """What a data set lists and has.

    Attributes:
        name: Place of the data set in the config, such as ``train_dataloader``.
        dataset: The data set, not initialised.
        images: Sample id -> path of its image, for the samples whose image exists.
        labels: Sample id -> foreground ids; None if the data set has no labels.
        masks: Sample id -> path of its mask.
        meta: Classes and palette of the data set.
    """

    name: str
    dataset: ImageLabelDataset
    images: dict[str, str] = field(default_factory=dict)
    labels: dict[str, list[int]] | None = None
    masks: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.meta = self.dataset.metainfo  # a deep copy at every access


class _CollectingClasses(ForegroundClasses):
    """Report unknown labels and go on with the known ones."""

    def __init__(self, classes: Iterable[str], report: Report) -> None:
        super().__init__(list(classes))
        self.report = report

    def ids(self, names: Iterable[str], source: str) -> list[int]:
        known = []
        for name in names:
            try:
                known += super().ids([name], source)
            except ValueError as error:
                self.report.error('label-unknown', source, str(error)[len(source) + 2 :])
        return sorted(set(known))


def list_dataset(name: str, dataset: ImageLabelDataset, report: Report) -> Listing:
    """Check the lists of one data set and say what it has.

    Args:
        name: Place of the data set in the config.
        dataset: The data set, built with ``lazy_init=True``.
        report: Gets a problem for every split, image, label or mask that is missing or wrong.
    """
    listing = Listing(name, dataset)
    folder = dataset.data_prefix['img_path']
    index = _index(folder, dataset.img_suffix, dataset, 'images', report)
    if index is None:
        return listing
    try:
        sample_ids = _check_split(dataset, index, report)
    except (OSError, ValueError) as error:
        report.error('split', dataset.ann_file, error)
        return listing
    if dataset.labels is not None:
        listing.labels = _check_labels(dataset, dataset.labels, sample_ids, index, report)
        if sample_ids is None:
            sample_ids = sorted(set(listing.labels) & set(index)) or None
        if dataset.unlabelled == 'drop' and sample_ids is not None:
            sample_ids = [i for i in sample_ids if listing.labels.get(i)]
    sample_ids = sorted(index) if sample_ids is None else sample_ids
    if not sample_ids:
        report.error('split-empty', dataset.ann_file or folder, 'no image is left')
    listing.images = {i: osp.join(folder, index[i]) for i in sample_ids}
    _check_masks(listing, report)
    report.datasets.append(
        dict(
            name=name,
            images=len(sample_ids),
            labelled=_count_labelled(listing),
            masks=None if dataset.data_prefix.get('seg_map_path') is None else len(listing.masks),
        )
    )
    return listing


def _count_labelled(listing: Listing) -> int | None:
    if listing.labels is None:
        return None
    return sum(bool(listing.labels.get(sample_id)) for sample_id in listing.images)


def check_leakage(train: Listing, val: Listing, report: Report) -> None:
    """Report images of the training split that the validation split scores."""
    for sample_id in sorted(set(train.images) & set(val.masks)):
        message = f"'{sample_id}' is in the training split too"
        report.error('split-leakage', val.dataset.ann_file or val.name, message)


def _index(
    folder: str, suffix: str | None, dataset: ImageLabelDataset, check: str, report: Report
) -> dict[str, str] | None:
    try:
        return index_folder(folder, suffix, dataset.backend_args)
    except (OSError, ValueError) as error:
        report.error(check, folder, error)
        return None


def _check_split(
    dataset: ImageLabelDataset, index: dict[str, str], report: Report
) -> list[str] | None:
    """Check the split file; return the samples whose image exists, each once."""
    path = dataset.ann_file
    if not path:
        return None
    if isinstance(dataset, WeakTrCustomDataset) and dataset.splits_itself:
        labelled = (find_sample(name, index) for name in manifest_labels(dataset.data_root))
        return dataset.own_split(index, [i for i in labelled if i is not None])
    names = read_split(path)
    found = [(name, find_sample(name, index)) for name in names]
    for name, sample_id in found:
        if sample_id is None:
            folder = dataset.data_prefix['img_path']
            report.error('image-missing', path, f"'{name}' is not in {folder}")
    samples = Counter(sample_id for _, sample_id in found if sample_id is not None)
    for sample_id, count in samples.items():
        if count > 1:
            report.error('split-duplicate', path, f"'{sample_id}' is listed {count} times")
    return list(samples)


def _check_labels(
    dataset: ImageLabelDataset,
    source: Mapping,
    sample_ids: list[str] | None,
    index: dict[str, str],
    report: Report,
) -> dict[str, list[int]]:
    path = resolve_source(source, dataset.data_root)
    try:
        classes = _CollectingClasses(dataset.metainfo.get('classes', ()), report)
    except ValueError as error:
        report.error('classes', path, error)
        return {}
    if source['type'] == 'voc_xml' and sample_ids is not None:
        batches: list[list[str] | None] = [[sample_id] for sample_id in sample_ids]
    else:
        batches = [sample_ids]
    if source['type'] == 'manifest':
        _check_manifest(path, index, report)
    labels: dict[str, list[int]] = {}
    unread: set[str] = set()
    for batch in batches:
        try:
            labels.update(read_image_labels(source, classes, batch, dataset.data_root))
        except (OSError, ValueError) as error:
            report.error('label-file', path, error)
            unread.update(batch or ())
    labels = {find_sample(name, index) or name: ids for name, ids in labels.items()}
    if dataset.unlabelled == 'error':
        for sample_id in labels if sample_ids is None else sample_ids:
            if not labels.get(sample_id) and sample_id not in unread:
                report.error('label-missing', path, f"'{sample_id}' has no label")
    return labels


def _check_manifest(path: str, index: dict[str, str], report: Report) -> None:
    """Check the images of a manifest; its form is checked when the labels are read."""
    try:
        names = Counter(name for name, _, _ in read_manifest(path))
    except (OSError, ValueError):
        return
    for name in names:
        if find_sample(name, index) is None:
            report.error('image-missing', path, f"'{name}' is not in the image folder")


def _check_masks(listing: Listing, report: Report) -> None:
    dataset = listing.dataset
    folder = dataset.data_prefix.get('seg_map_path')
    if folder is None:
        return
    masks = _index(folder, dataset.seg_map_suffix, dataset, 'masks', report) or {}
    listing.masks = {i: osp.join(folder, masks[i]) for i in listing.images if i in masks}
    if not isinstance(dataset, WeakTrCustomDataset):
        for sample_id in listing.images:
            if sample_id not in masks:
                report.error('mask-missing', folder, f"'{sample_id}' has no mask")
