"""Validation and test of the segmentor where no image has a mask: there is nothing to score."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.logging import print_log

from ..datasets.building import list_dataset

VALIDATION_KEYS = ('val_dataloader', 'val_cfg', 'val_evaluator')


def drop_unscored_validation(cfg: Config) -> None:
    """Removes the validation of the segmentor if no image has a mask, in place.

    Each would predict every image for no score. One that chooses the checkpoint stays.

    Args:
        cfg: A resolved pipeline.
    """
    loader = cfg.get('val_dataloader')
    checkpoint = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if not loader or checkpoint.get('save_best') or has_masks(loader['dataset']):
        return
    for key in VALIDATION_KEYS:
        cfg[key] = None
    print_log('No image to validate the segmentor on has a mask: no validation', logger='current')


def tests_nothing(cfg: Config) -> bool:
    """Whether the test of the segmentor would give neither scores nor files."""
    evaluator = cfg.test_evaluator
    metrics = evaluator if isinstance(evaluator, list) else [evaluator]
    writes = any(metric.get('output_dir') for metric in metrics)
    return not writes and not has_masks(cfg.test_dataloader.dataset)


def has_masks(dataset: dict) -> bool:
    """Whether any image of a data set has a mask."""
    built = list_dataset(dataset)
    return any('seg_map_path' in built.get_data_info(index) for index in range(len(built)))
