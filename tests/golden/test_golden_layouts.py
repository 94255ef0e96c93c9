"""Checkpoints in the published layouts are converted with nothing missing and nothing left over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import Tensor

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import convert_checkpoint, convert_state_dict, load_state_dict
from weaktr_mmseg.datasets.coco_categories import COCO_CATEGORY_IDS

GOLDEN_PATTERN = 'official_checkpoint_layouts*.json'
CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = {
    'cam_stage_deit_small_voc': 'weaktr_voc_cam.py',
    'segmentation_stage_deit_small_voc': 'weaktr_voc_deit-s.py',
    'cam_stage_deit_small_coco': 'weaktr_coco_cam.py',
    'segmentation_stage_deit_small_coco': 'weaktr_coco_deit-s.py',
}
UNUSED = ('norm.weight', 'norm.bias', 'encoder.head.weight', 'encoder.head.bias')
ROWS = {  # dimension of the classes in the authors' parameters
    'cls_token': 1,
    'pos_embed': 1,
    'head.weight': 0,
    'head.bias': 0,
    'decoder.cls_emb': 1,
    'decoder.mask_norm.weight': 0,
    'decoder.mask_norm.bias': 0,
}


@pytest.fixture(scope='module')
def layouts(golden_file) -> dict[str, dict[str, list[int]]]:
    """Shapes by name of every published checkpoint, with COCO's added to VOC's."""
    published = json.loads(golden_file.read_text())
    for name in list(published):
        if name.endswith('_voc'):
            published.setdefault(name[:-3] + 'coco', with_coco_classes(published[name]))
    return published


def with_coco_classes(shapes: dict[str, list[int]]) -> dict[str, list[int]]:
    """Return VOC's shapes with 90 or, with background, 91 classes."""
    changed = {name: list(shape) for name, shape in shapes.items()}
    for name in ROWS.keys() & shapes.keys():
        changed[name][ROWS[name]] += 70
    return changed


def random_state(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Return a checkpoint of the given shapes."""
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.mark.parametrize('name', LEAVES)
def test_converted_checkpoint_loads_strictly(layouts, name, tmp_path):
    torch.save({'model': random_state(layouts[name])}, tmp_path / 'authors.pth')

    convert_checkpoint(tmp_path / 'authors.pth', tmp_path / 'ours.pth')

    cfg = Config.fromfile(CONFIGS / LEAVES[name])
    cfg.model.backbone.pop('init_cfg', None)
    MODELS.build(cfg.model).load_state_dict(load_state_dict(tmp_path / 'ours.pth'), strict=True)


@pytest.mark.parametrize('name', LEAVES)
def test_conversion_back_restores_every_used_parameter(layouts, name):
    state = random_state(layouts[name])

    exported, _ = convert_state_dict(convert_state_dict(state)[0])

    used = {key for key in state if key not in UNUSED}
    assert used <= exported.keys() <= state.keys()
    for key in used:
        assert exported[key].shape == state[key].shape, key
        actual, expected = exported[key], state[key]
        if name.endswith('coco') and key in ROWS:
            actual, expected = (used_rows(tensor, key) for tensor in (actual, expected))
        assert torch.equal(actual, expected), key


def used_rows(tensor: Tensor, key: str) -> Tensor:
    """Return the rows of the categories that COCO uses, and those of patches."""
    original = 91 if key.startswith('decoder.') else 90
    ids = [0, *COCO_CATEGORY_IDS] if original == 91 else [i - 1 for i in COCO_CATEGORY_IDS]
    patches = range(original, tensor.size(ROWS[key]))
    return tensor.index_select(ROWS[key], torch.tensor([*ids, *patches]))


@pytest.mark.parametrize('name', LEAVES)
def test_surplus_parameter_is_named(layouts, name):
    state = random_state(layouts[name]) | {'surplus.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'unknown surplus\.weight'):
        convert_state_dict(state)
