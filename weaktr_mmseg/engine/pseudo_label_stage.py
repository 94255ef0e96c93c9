"""The second stage: class activation maps of the trained network, and masks made from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, barrier, get_dist_info, is_main_process
from mmengine.runner import Runner

from ..datasets.transforms.load_image import read_rgb
from ..errors import WeakTrInputError
from ..evaluation.cam_metric import OTSU
from ..evaluation.score_files import confusion_scores, write_scores
from ..pseudo_labels.generate import (
    CAM_FOLDER,
    MASK_FOLDER,
    LabelRule,
    MaskSample,
    mean_iou,
    write_masks,
)
from . import stage_configs as stages

EXAMPLES = 6  # images that the report shows
RULE_KEYS = ('crf', 'ignore_band', 'ignore_disagreement')
# Name in the summary of each score of the metric.
SCORES = dict(
    cam_coarse_miou='cam/coarse_miou',
    cam_coarse_miou_oracle='cam/coarse_miou_oracle',
    cam_fused_miou='cam/fused_miou',
    cam_fused_miou_oracle='cam/fused_miou_oracle',
    image_map='cam/image_map',
)


@dataclass
class PseudoLabels:
    """What the stage gives besides its files.

    Attributes:
        threshold: Background score of the masks.
        chosen_by: ``'fixed'`` by the config, or ``'label-free'`` from the maps alone.
        metrics: Scores by the names of ``summary.json``, in percent; None where no mask is known.
    """

    threshold: float
    chosen_by: str
    metrics: dict[str, float | None] = field(default_factory=dict)


def generate_pseudo_labels(cfg: Config, checkpoint: str, folder: str | Path) -> PseudoLabels:
    """Writes the maps and masks of the split that ``test_dataloader`` of the CAM stage names.

    Every process of a distributed run calls it and writes its share.

    Args:
        cfg: A resolved pipeline, see :func:`stage_configs.resolve_pipeline`; read are
            ``cam_stage``, ``pseudo_labels`` and what all stages share.
        checkpoint: Trained network of the CAM stage.
        folder: Gets ``cams/<sample_id>.npz`` and ``masks/<sample_id>.png``.

    Raises:
        WeakTrInputError: If Otsu's method shall find the threshold in maps that are all alike.
    """
    folder = Path(folder)
    writer = dict(type='WeakTrCAMWriter', folder=str(folder / CAM_FOLDER))
    runner = Runner.from_cfg(
        stages.cam_inference_config(cfg, checkpoint, [stages.cam_metric(cfg), writer])
    )
    scores = runner.test()
    if 'cam/threshold' not in scores:
        raise WeakTrInputError(
            'pseudo_labels.threshold: all maps are alike, so Otsu finds none; set a number'
        )
    metrics = {name: scores.get(key) for name, key in SCORES.items()}
    threshold = scores['cam/threshold']
    dataset = runner.test_dataloader.dataset
    metrics['pseudo_label_miou'] = _write_masks(cfg.pseudo_labels, dataset, threshold, folder)
    split = stages.score_split_config(cfg, checkpoint)
    if split is not None:
        metrics['val_cam_miou_oracle'] = Runner.from_cfg(split).test().get('cam/fused_miou_oracle')
    fixed = cfg.pseudo_labels.get('threshold', OTSU) != OTSU
    return PseudoLabels(threshold, 'fixed' if fixed else 'label-free', metrics)


def _write_masks(options: dict, dataset: Any, threshold: float, folder: Path) -> float | None:
    """Writes this process's share of the masks; returns the mIoU of all, if known."""
    rank, world_size = get_dist_info()
    samples = [
        _mask_sample(dataset.get_data_info(index), folder)
        for index in range(rank, len(dataset), world_size)
    ]
    confusion = torch.from_numpy(
        write_masks(
            samples,
            LabelRule(threshold, **{key: options[key] for key in RULE_KEYS if key in options}),
            dataset.metainfo['palette'],
            read_rgb,
            workers=options.get('workers', 0),
        )
    )
    all_reduce(confusion)
    barrier()
    if is_main_process():
        scores = confusion_scores(confusion.numpy()) if confusion.any() else {}
        shown = samples[:: max(1, len(samples) // EXAMPLES)][:EXAMPLES]
        examples = [
            dict(img_path=s.image, mask=str(Path(s.mask).relative_to(folder)), seg_map_path=s.truth)
            for s in shown
        ]
        meta = {key: list(dataset.metainfo[key]) for key in ('classes', 'palette')}
        write_scores(folder / 'scores_masks.json', dict(meta, **scores, examples=examples))
    return mean_iou(confusion.numpy()) if confusion.any() else None


def _mask_sample(info: dict, folder: Path) -> MaskSample:
    return MaskSample(
        image=info['img_path'],
        cams=str(folder / CAM_FOLDER / f'{info["sample_id"]}.npz'),
        mask=str(folder / MASK_FOLDER / f'{info["sample_id"]}.png'),
        truth=info.get('seg_map_path'),
    )
