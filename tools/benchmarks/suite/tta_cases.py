"""The published evaluation of one photograph, without its refinement, beside a plain form of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from .case import Case, Run
from .plain_tta import plain_scores
from .retrain_cases import build_stock

CONFIG = Path(__file__).parents[3] / 'configs' / 'weaktr_voc_deit-s.py'
SIZE = (375, 500)  # of most photographs of VOC


def _photo() -> np.ndarray:
    """A random photograph, BGR, uint8 (H, W, 3)."""
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def ours(device: torch.device) -> Run:
    """Test pipeline behind the loading of the file, and the test-time model of the config."""
    init_default_scope('mmseg')
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.init_cfg = None
    model = MODELS.build({**cfg.tta_model, 'refine': None, 'module': cfg.model}).to(device).eval()
    pipeline = Compose(cfg.tta_pipeline[1:])
    photo = _photo()

    @torch.no_grad()
    def test() -> torch.Tensor:
        loaded = dict(img=photo.copy(), img_shape=SIZE, ori_shape=SIZE, img_path='', seg_fields=[])
        (sample,) = model.test_step(pseudo_collate([pipeline(loaded)]))
        return sample.pred_sem_seg.data

    return test


def plain(device: torch.device) -> Run:
    """The same of stock modules, both readouts in one run as in the original."""
    init_default_scope('mmseg')
    cfg = Config.fromfile(CONFIG)
    model = build_stock(device).eval()
    model.data_preprocessor = MODELS.build(cfg.model.data_preprocessor).to(device)
    photo = _photo()
    return lambda: plain_scores(model, photo, cfg.tta_ratios, cfg.short_side).argmax(0)


CASES = [Case('tta_voc', ours, plain)]
