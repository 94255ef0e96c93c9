"""Custom images: a folder and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mmengine.logging import print_log
from mmseg.registry import DATASETS

from ..utils.errors import input_errors
from ..utils.palette import voc_palette
from .faults import WARNING, Fault, whole_fault
from .file_index import FolderIndex, index_folder, read_split
from .image_label_dataset import ImageLabelDataset
from .label_sources.class_discovery import (
    IMAGE_FOLDER,
    MASK_FOLDER,
    discover_classes,
    find_manifest,
    hold_out,
)
from .label_sources.manifest_labels import read_manifest
from .label_sources.rows import ForegroundClasses
from .names import similar_neighbour
from .review_file import DROP, RELABEL, Tick, read_review, ticked_photographs

REVIEW_FILE = 'review.csv'
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
          review.csv    optional: what a person decided on the review page

    If one split file is missing, that split is what the other leaves; if both are, see
    :func:`hold_out`. An image may lack its mask; then its
    data info has no ``seg_map_path``.

    Args:
        data_root: The folder.
        ann_file: ``'splits/train.txt'`` or ``'splits/val.txt'``, whether the file exists or not,
            or another split file that does.
        masks: List the masks too.
        labels: ``'auto'`` reads the folder's manifest; None leaves labels out.
        review: File of ticks, see :func:`read_review`; a relative name starts in the folder.
            Photographs to drop are left out, those to relabel get their new labels, trusted ones
            stay as they are. ``'auto'`` takes ``review.csv`` if there is one, None takes none.
        metainfo: Overrides the discovered ``classes`` and their ``palette``.
        **kwargs: Arguments of :class:`ImageLabelDataset`.
    """

    masks_required = False

    def __init__(
        self,
        data_root: str,
        ann_file: str = TRAIN_SPLIT,
        masks: bool = False,
        labels: dict | Literal['auto'] | None = 'auto',
        review: str | None = 'auto',
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        self.split_name = ann_file
        if review == 'auto':
            review = REVIEW_FILE if (Path(data_root) / REVIEW_FILE).is_file() else None
        self.review = None if review is None else Path(data_root) / review
        with input_errors():
            metainfo = {'classes': discover_classes(data_root), **(metainfo or {})}
            if labels == 'auto':
                labels = dict(type='manifest', path=find_manifest(data_root))
        metainfo.setdefault('palette', voc_palette(len(metainfo['classes'])))
        folder = Path(data_root) / MASK_FOLDER
        has_masks = masks and folder.is_dir()
        self.near_masks = similar_neighbour(str(folder)) if masks and not has_masks else ''
        defaults = dict(
            data_prefix=dict(img_path=IMAGE_FOLDER, seg_map_path=MASK_FOLDER if has_masks else None)
        )
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            labels=labels,
            metainfo=metainfo,
            **{**defaults, **kwargs},
        )

    def _split(self, images: FolderIndex, faults: list[Fault]) -> list[str] | None:
        """The split file's samples; without the file, those that a rule gives."""
        if self.split_name not in (TRAIN_SPLIT, VAL_SPLIT) or Path(self.ann_file).is_file():
            return super()._split(images, faults)
        root, is_train = Path(self.data_root), self.split_name == TRAIN_SPLIT
        table = str(root / find_manifest(self.data_root))
        labels: dict[str, set[str]] = {}
        for row in read_manifest(table):
            if (sample := images.find(row.image)) is not None:
                labels.setdefault(sample, set()).update(row.names)
        faults += images.unlisted(labels, table)
        faults += _unread_splits(Path(self.ann_file))
        other = root / (VAL_SPLIT if is_train else TRAIN_SPLIT)
        if other.is_file():
            taken = {images.find(name) for name in read_split(str(other))}
            return [sample for sample in sorted(labels) if sample not in taken]
        masks = root / MASK_FOLDER
        masked = index_folder(str(masks), self.seg_map_suffix) if masks.is_dir() else ()
        return hold_out(sorted(labels), masked, labels)[0 if is_train else 1]

    def _scan(self, faults: list[Fault]) -> list[dict]:
        """Lists as the parent does, then does what a person decided about photographs."""
        infos = super()._scan(faults)
        if self.near_masks:
            message = f"has no folder '{MASK_FOLDER}'{self.near_masks}"
            faults.append(Fault('mask-stray', self.data_root, message, severity=WARNING))
        if self.review is None:
            return infos
        with whole_fault('review', str(self.review)):
            ticks = read_review(self.review)
            images = index_folder(self.data_prefix['img_path'], self.img_suffix, self.backend_args)
            names = dict.fromkeys([*images, *(fault.sample for fault in faults if fault.sample)])
            meant = ticked_photographs(names, ticks)
            decided = {photograph: ticks[name] for name, photograph in meant.items()}
            classes = ForegroundClasses(self._metainfo['classes'])
            for info in infos if self.labels is not None else ():
                tick = decided.get(info['sample_id'])
                if tick is not None and tick.action == RELABEL:
                    where = f'{self.review}: {info["sample_id"]}'
                    info['image_labels'] = classes.ids(tick.labels, where)
        faults[:] = [fault for fault in faults if not _settles(decided.get(fault.sample), fault)]
        faults += _unknown_ticks([name for name in ticks if name not in meant], str(self.review))
        dropped = {name for name, tick in decided.items() if tick.action == DROP}
        return [info for info in infos if info['sample_id'] not in dropped]

    def load_data_list(self) -> list[dict]:
        """Lists the samples and says how many have a mask, if masks are requested."""
        infos = super().load_data_list()
        if self.data_prefix.get('seg_map_path') is not None:
            count = sum('seg_map_path' in info for info in infos)
            print_log(f'{self.split_name}: {count} of {len(infos)} images have a mask', 'current')
        return infos


def _unread_splits(missing: Path) -> list[Fault]:
    """A warning if a file probably stands for a split file that is not there.

    Args:
        missing: The split file, ``train.txt`` or ``val.txt``.
    """
    stem = missing.stem
    for file in sorted(missing.parent.glob('*')) if missing.parent.is_dir() else ():
        if file.stem.casefold().startswith(stem) and file.name != missing.name:
            message = f"'{file.name}' is not read: expected the name '{missing.name}'"
            return [Fault('split-unread', str(missing.parent), message, severity=WARNING)]
    return []


def _unknown_ticks(names: list[str], review: str) -> list[Fault]:
    """A warning if decisions are about photographs that are not there."""
    if not names:
        return []
    message = f"{len(names)} of its photographs are not in the folder; the first is '{names[0]}'"
    return [Fault('review-unknown', review, message, severity=WARNING)]


def _settles(tick: Tick | None, fault: Fault) -> bool:
    """Whether a decision about a photograph does away with one of its faults."""
    if tick is None:
        return False
    return tick.action == DROP or (tick.action == RELABEL and fault.check.startswith('label'))
