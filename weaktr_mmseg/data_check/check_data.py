"""The doctor: every fault of data and config that can be known before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mmengine.config import Config

from ..datasets.building import build_dataset
from ..datasets.data_faults import SKIP
from ..datasets.image_label_dataset import ImageLabelDataset
from ..datasets.listing_cache import listed_once
from ..utils.configs import LOADERS
from .lists import Listing, check_leakage, list_dataset
from .model import check_checkpoints, check_class_counts
from .pixels import check_pixels
from .problems import Report

FEW_IMAGES = 20  # a rule of thumb


@listed_once()
def check_data(cfg: Config, pixels: bool = True, workers: int = 4, progress: bool = True) -> Report:
    """Checks the data of a config.

    Args:
        cfg: Config of a stage, or of the pipeline with a complete ``cam_stage``.
        pixels: Open every image and mask. Without it only lists, labels and checkpoints are
            checked, which takes seconds and is what the pipeline does by itself.
        workers: Number of threads that open files.
        progress: Show progress bars.

    Returns:
        What was found; training should not start while ``report.errors`` is not empty.
    """
    report = Report()
    listings: list[Listing] = []
    for prefix, stage in _stages(cfg):
        own = list(_list_loaders(stage, prefix, report))
        listings += own
        if own and 'model' in stage:
            _check_model(stage, prefix, own[0], report)
        by_name = {listing.name[len(prefix) :]: listing for listing in own}
        train, val = by_name.get('train_dataloader'), by_name.get('val_dataloader')
        if train and val and 'cam_head' not in stage.get('model', {}):
            check_leakage(train, val, report)
    _check_balance(listings, report)
    if pixels:
        report.lenient = all(listing.dataset.on_fault == SKIP for listing in listings)
        check_pixels(listings, report, workers, progress)
    return report


def _stages(cfg: Config) -> Iterator[tuple[str, Config]]:
    """The stages of a config with the prefix of their keys."""
    if isinstance(cfg.get('cam_stage'), dict):
        yield 'cam_stage.', cfg.cam_stage
    yield '', cfg


def _list_loaders(stage: Config, prefix: str, report: Report) -> Iterator[Listing]:
    for loader in LOADERS:
        if stage.get(loader) is None:
            continue
        name = f'{prefix}{loader}'
        try:
            dataset = build_dataset(stage[loader]['dataset'], lazy_init=True, pipeline=[])
            if not isinstance(dataset, ImageLabelDataset):
                dataset.full_init()
                continue
        except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
            report.error('data set', f'{name}.dataset', error)
            continue
        yield list_dataset(name, dataset, report)


def _check_model(stage: Config, prefix: str, listing: Listing, report: Report) -> None:
    num_classes = len(listing.dataset.metainfo.get('classes', ()))
    check_class_counts(stage['model'], f'{prefix}model', num_classes, report)
    check_checkpoints(stage, prefix, num_classes, report)


def _check_balance(listings: list[Listing], report: Report) -> None:
    """Counts the training images of every class."""
    train = next(
        (i for i in listings if 'train_dataloader' in i.name and i.images and i.labels), None
    )
    if train is None or train.labels is None:
        return
    counts = Counter(c for sample in train.images for c in train.labels.get(sample, ()))
    names = train.dataset.metainfo['classes'][1:]
    report.class_balance = {name: counts[index] for index, name in enumerate(names)}
    where = train.place
    for name, count in report.class_balance.items():
        if count == 0:
            report.error('class-absent', where, f"no training image has the class '{name}'")
        elif count < FEW_IMAGES:
            report.warning('class-rare', where, f"'{name}' occurs in {count} training images")
        if count and count == len(train.images):
            message = f"every training image has the class '{name}': nothing shows what it is not"
            report.warning('class-everywhere', where, f'{message}; add images without it')
    _check_pairs(train, report)


def _check_pairs(train: Listing, report: Report) -> None:
    """Reports classes that nothing tells apart."""
    occurrences: dict[int, list[str]] = {}
    for sample, labels in (train.labels or {}).items():
        for label in labels:
            occurrences.setdefault(label, []).append(sample)
    alike: dict[tuple[str, ...], list[int]] = {}
    for label, samples in sorted(occurrences.items()):
        alike.setdefault(tuple(samples), []).append(label)
    names = train.dataset.metainfo['classes'][1:]
    for labels in alike.values():
        if len(labels) > 1:
            together = ' and '.join(f"'{names[label]}'" for label in labels)
            message = f'{together} always occur together: nothing tells one from the other'
            message += '; add images with one of them'
            report.warning('class-together', train.place, message)
