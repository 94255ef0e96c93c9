"""What a data set lists, and checks across data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ..datasets.data_faults import SKIP
from ..datasets.image_label_dataset import ImageLabelDataset
from ..datasets.label_sources.sources import resolve_source
from .problems import Report


class Listing(NamedTuple):
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
    images: dict[str, str]
    labels: dict[str, list[int]] | None
    masks: dict[str, str]
    meta: dict[str, Any]

    @property
    def place(self) -> str:
        """The file that a person changes to have other images: the split, else the labels."""
        dataset = self.dataset
        if Path(dataset.ann_file).is_file():
            return dataset.ann_file
        return resolve_source(dataset.labels, dataset.data_root) if dataset.labels else self.name


def list_dataset(name: str, dataset: ImageLabelDataset, report: Report) -> Listing:
    """Scans one data set, reports its faults and says what it has.

    Args:
        name: Place of the data set in the config.
        dataset: The data set, built with ``lazy_init=True``.
        report: Gets every fault; those of single samples as warnings if the data set skips them.
    """
    infos, faults = dataset.scan()
    for fault in faults:
        report.add_fault(fault, lenient=dataset.on_fault == SKIP)
    images = {info['sample_id']: info['img_path'] for info in infos}
    masks = {info['sample_id']: info['seg_map_path'] for info in infos if 'seg_map_path' in info}
    labels = None
    if dataset.labels is not None:
        labels = {info['sample_id']: info['image_labels'] for info in infos}
    if infos:
        labelled = None if labels is None else sum(map(bool, labels.values()))
        masked = None if dataset.data_prefix.get('seg_map_path') is None else len(masks)
        report.datasets.append(dict(name=name, images=len(infos), labelled=labelled, masks=masked))
    return Listing(name, dataset, images, labels, masks, dataset.metainfo)


def check_leakage(train: Listing, val: Listing, report: Report) -> None:
    """Reports images of the training split that the validation split scores."""
    for sample_id in sorted(set(train.images) & set(val.masks)):
        message = f"'{sample_id}' is in the training split too"
        report.error('split-leakage', val.place, message)
