"""One switch for what all data sets of a pipeline do with faulty samples."""

from __future__ import annotations

from mmengine.config import Config
from mmseg.registry import DATASETS

from ..datasets.image_label_dataset import ImageLabelDataset
from ..utils.configs import LOADERS, is_kind

KEY = 'on_fault'


def apply_fault_policy(cfg: Config) -> None:
    """Passes ``pipeline.on_fault``, if it is set, on to the data sets of all stages.

    Args:
        cfg: Config of a pipeline with a complete ``cam_stage``; changed in place. Data sets that
            are none of this project's are left alone.
    """
    policy = cfg.pipeline.get(KEY)
    if policy is None:
        return
    for stage in (cfg, cfg.cam_stage):
        for loader in LOADERS:
            dataset = (stage.get(loader) or {}).get('dataset') or {}
            if is_kind(DATASETS, dataset.get('type'), ImageLabelDataset):
                dataset[KEY] = policy
