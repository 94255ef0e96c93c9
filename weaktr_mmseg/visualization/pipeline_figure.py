"""What the stages of a finished pipeline make of a few images."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmseg.apis import inference_model, init_model
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ..apis.models import build_cam_model, cam_stage_config
from ..models import HeadFusion
from ..pseudo_labels.cam_files import CAMFile
from ..pseudo_labels.label_rule import LabelRule, rule_options
from ..utils.images import read_rgb
from ..utils.masks import IGNORE_INDEX, read_mask
from .cam_figures import MIN_SPREAD, ranked_heads
from .panels import colour_labels, draw_rows, heat_overlay


def pipeline_figure(cfg: Config, work_dir: str | Path, count: int = 4, seed: int = 0) -> Figure:
    """Draws image, maps, pseudo label, prediction and truth.

    Maps are the coarse one, those of the heads of most and of least weight alone if weights
    differ, and the fused one.

    Args:
        cfg: Config of the pipeline with a complete ``cam_stage``, as dumped in its ``work_dir``.
        work_dir: Folder of a finished pipeline.
        count: Number of images, drawn from the segmentor's test split.
        seed: Chooses the images.

    Returns:
        One row per image, pseudo labels by the rule of the run, and a legend.

    Raises:
        FileNotFoundError: If the folder holds no ``summary.json``.
    """
    work_dir = Path(work_dir)
    summary_file = work_dir / 'summary.json'
    if not summary_file.is_file():
        raise FileNotFoundError(f'{summary_file}: expected the output of a finished pipeline')
    summary = json.loads(summary_file.read_text(encoding='utf-8'))
    cam_model = build_cam_model(cam_stage_config(cfg), _checkpoint(work_dir, summary, 'cam'))
    segmentor = init_model(cfg, _checkpoint(work_dir, summary, 'retrain'), device='cpu')
    rule = LabelRule(summary['threshold']['value'], **rule_options(cfg.pseudo_labels))

    heads = _single_heads(work_dir)
    dataset_cfg = cfg.cam_stage.test_dataloader.dataset
    dataset_cfg.ann_file = cfg.test_dataloader.dataset.ann_file
    dataset = DATASETS.build(dataset_cfg)
    palette = dataset.metainfo['palette']
    classes = dataset.metainfo['classes']
    rows, names, shown = [], [], {0}
    for index in np.random.default_rng(seed).choice(len(dataset), count, replace=False):
        item = dataset[int(index)]
        sample = _maps(cam_model, item)
        info = dataset.get_data_info(int(index))
        image = read_rgb(info['img_path'])
        maps = CAMFile(sample.cams.numpy(), sample.cam_classes.numpy(), (), '')
        prediction = inference_model(segmentor, info['img_path']).pred_sem_seg.data[0].numpy()
        labels = {
            'pseudo label': rule.apply(maps, np.ascontiguousarray(image)),
            'prediction': prediction.astype(np.uint8),
            'truth': read_mask(info['seg_map_path']),
        }
        rows.append(
            {
                'image': image,
                'coarse CAM': heat_overlay(image, sample.coarse_cams.numpy()),
                **{
                    title: heat_overlay(image, _maps(cam_model, item, fusion).cams.numpy())
                    for title, fusion in heads.items()
                },
                'fused CAM': heat_overlay(image, maps.cams),
                **{title: colour_labels(label, palette) for title, label in labels.items()},
            }
        )
        names.append(', '.join(classes[1 + i] for i in maps.class_ids))
        shown.update(*(np.unique(label).tolist() for label in labels.values()))
    legend = {classes[i]: palette[i] for i in sorted(shown - {IGNORE_INDEX})}
    return draw_rows(rows, names, legend)


class _OneHead(HeadFusion):
    """Attends with a single head."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__(weights.size(1), weights.size(0), 1)
        self.weights = weights  # (H, L)

    def forward(self, pooled: Sequence[Tensor]) -> Tensor:
        return self.weights.expand(len(pooled[0]), -1, -1)


def _single_heads(work_dir: Path) -> dict[str, HeadFusion]:
    """The heads of most and of least weight by what they are called; none if all are alike."""
    recorded = work_dir / 'pseudo_labels/head_weights_train.json'
    if not recorded.is_file():
        return {}
    weights = np.array(json.loads(recorded.read_text(encoding='utf-8'))['mean'])  # (L, H)
    if np.ptp(weights) < MIN_SPREAD:
        return {}
    heads = {}
    for kind, ((layer, head),) in zip(('most', 'least'), ranked_heads(weights, 1)):
        one = torch.zeros(weights.T.shape)
        one[head, layer] = weights.size
        heads[f'{kind} weighted head'] = _OneHead(one)
    return heads


def _maps(cam_model: nn.Module, item: dict, fusion: HeadFusion | None = None) -> SegDataSample:
    """Predicts the maps of an item of the data set, perhaps with another fusion."""
    learned = cam_model.backbone.attention_fusion
    cam_model.backbone.attention_fusion = fusion or learned
    try:
        with torch.inference_mode():
            batch = dict(inputs=[[image] for image in item['inputs']])
            samples = [copy.deepcopy(item['data_samples'])]
            return cam_model.test_step(dict(batch, data_samples=samples))[0]
    finally:
        cam_model.backbone.attention_fusion = learned


def _checkpoint(work_dir: Path, summary: dict, stage: str) -> str:
    """Checkpoint of a stage, also in a folder that was moved after the run."""
    recorded = Path(summary['stages'][stage]['checkpoint'])
    here = work_dir / recorded.parent.name / recorded.name
    return str(here if here.is_file() else recorded)
