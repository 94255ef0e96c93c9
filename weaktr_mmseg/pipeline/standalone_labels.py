"""Pseudo labels outside of a pipeline run."""

from __future__ import annotations

import copy
from pathlib import Path

from mmengine.config import Config, ConfigDict

from ..datasets.building import list_dataset
from ..pseudo_labels.threshold_choice import OTSU
from ..utils.errors import WeakTrInputError, input_errors
from .stage_configs import resolve_pipeline, without_masks
from .unscored import has_masks

DEFAULTS = dict(threshold=OTSU, refine=dict(type='DenseCRF', preset='voc_cam'))


def standalone_config(cfg: Config, out: str | Path, split: str | None = None) -> Config:
    """The pipeline of which :func:`generate_pseudo_labels` makes pseudo labels alone.

    Masks are read only to score; where the split has none, or not for every image, nothing is
    scored.

    Args:
        cfg: Config of a pipeline, or of a CAM stage, whose labels are then made at Otsu's threshold
            with VOC's DenseCRF.
        out: Output folder.
        split: Split file, or ``train`` or ``val`` where the data set is COCO; by default that of
            ``test_dataloader``.

    Returns:
        A resolved pipeline.

    Raises:
        WeakTrInputError: If the config is neither, or the split cannot be read.
    """
    cfg = copy.deepcopy(cfg)
    if cfg.get('cam_stage') is None:
        if 'cam_head' not in cfg.get('model', {}):
            raise WeakTrInputError(
                f'{cfg.filename}: expected a pipeline with cam_stage, or a CAM stage whose model '
                'has a cam_head'
            )
        labels = {**DEFAULTS, **cfg.get('pseudo_labels', {})}
        stage = cfg.to_dict()
        shared = {key: stage[key] for key in ('launcher', 'default_scope') if key in stage}
        cfg = Config(
            dict(cam_stage=stage, pseudo_labels=labels, model=stage['model'], **shared),
            filename=cfg.filename,
        )
    cfg.work_dir = str(out)
    cfg = resolve_pipeline(cfg)
    cfg.pseudo_labels.score_split = None
    dataset = cfg.cam_stage.test_dataloader.dataset
    if split is not None:
        dataset['split' if 'split' in dataset else 'ann_file'] = split
    if not _scores(dataset):
        _remove_masks(dataset)
        with input_errors():
            list_dataset(dataset)
    return cfg


def _scores(dataset: ConfigDict) -> bool:
    """Whether the data set can be listed with the masks that its config asks for."""
    try:
        return has_masks(dataset)
    except (OSError, ValueError):
        return False


def _remove_masks(dataset: ConfigDict) -> None:
    if 'masks' in dataset:
        dataset.masks = False
    if 'data_prefix' in dataset:
        dataset.data_prefix.pop('seg_map_path', None)
    dataset.pipeline = without_masks(dataset.pipeline)
