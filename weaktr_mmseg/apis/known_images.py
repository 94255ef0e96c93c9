"""Labels and masks of images that belong to the data set of a config."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.registry import DATASETS


def known_images(cfg: Config, paths: Iterable[str | Path]) -> dict[Path, dict[str, Any]]:
    """Looks images up in the data set that a CAM stage is trained and scored on.

    The data set is read only if one of the images lies below its folder; a data set that cannot be
    read knows nothing.

    Args:
        cfg: Config of the CAM stage.
        paths: Image files.

    Returns:
        The data info, with ``image_labels`` and perhaps ``seg_map_path``, by resolved path.
    """
    wanted = {Path(path).resolve() for path in paths}
    root = Path(cfg.test_dataloader.dataset.get('data_root') or '.').resolve()
    known: dict[Path, dict[str, Any]] = {}
    if not any(root in path.parents for path in wanted):
        return known
    split_files = [
        cfg[loader].dataset.get('ann_file')
        for loader in ('test_dataloader', 'val_dataloader')
        if cfg.get(loader) is not None
    ]
    for split in dict.fromkeys(split_files):
        for info in _data_list(cfg.test_dataloader.dataset, split):
            path = Path(info['img_path']).resolve()
            if path in wanted:
                known.setdefault(path, info)
    return known


def _data_list(dataset_cfg: Any, split: str | None) -> list[dict[str, Any]]:
    """Data infos of a split, without masks where they are not complete."""
    with_masks = copy.deepcopy(dataset_cfg)
    if split is not None:
        with_masks.ann_file = split
    without = copy.deepcopy(with_masks)
    if 'data_prefix' in without:
        without.data_prefix.seg_map_path = None
    for candidate in (with_masks, without):
        try:
            dataset = DATASETS.build({**candidate, 'pipeline': [], 'serialize_data': False})
            return dataset.data_list
        except (OSError, ValueError):
            continue
    return []
