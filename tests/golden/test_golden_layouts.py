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

from looping import some

GOLDEN_PATTERN = 'official_checkpoint_layouts*.json'
CONFIGS = Path(__file__).parents[2] / 'configs'
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
    published = json.loads(golden_file.read_text(encoding='utf-8'))
    assert published
    for name in [name for name in published if name.endswith('_voc')]:
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


def leaf_for(state: dict[str, Tensor]) -> str:
    """Return the config that a converted checkpoint is for."""
    if 'cam_head.classifier.bias' in state:
        return {20: 'weaktr_voc_cam.py', 80: 'weaktr_coco_cam.py'}[
            len(state['cam_head.classifier.bias'])
        ]
    encoder = 'deit-s'
    if 'backbone.layers.0.attn.gamma1.weight' in state:
        encoder = 'dinov2-s'
    elif 'backbone.layers.0.attn.q_bias' in state:
        encoder = 'eva02-s'
    data = {21: 'voc', 81: 'coco'}[len(state['decode_head.mask_norm.bias'])]
    return f'weaktr_{data}_{encoder}.py'


def test_converted_checkpoints_load_strictly(layouts, tmp_path):
    for shapes in layouts.values():
        torch.save({'model': random_state(shapes)}, tmp_path / 'authors.pth')

        convert_checkpoint(tmp_path / 'authors.pth', tmp_path / 'ours.pth')

        state = load_state_dict(tmp_path / 'ours.pth')
        cfg = Config.fromfile(CONFIGS / leaf_for(state))
        cfg.model.backbone.pop('init_cfg')
        MODELS.build(cfg.model).load_state_dict(state, strict=True)


def test_coco_networks_keep_their_rows_if_asked_to(layouts):
    for name, shapes in layouts.items():
        if not name.endswith('_coco'):
            continue
        state = random_state(shapes)
        kept, _ = convert_state_dict(state, keep_coco_rows=True)
        cfg = Config.fromfile(CONFIGS / leaf_for(convert_state_dict(state)[0]))
        cfg.model.backbone.pop('init_cfg')
        if 'cam_head' in cfg.model:
            cfg.model.backbone.num_classes = 90
            cfg.model.cam_head.original_coco_ids = True
        else:
            cfg.model.decode_head.original_coco_ids = True
        MODELS.build(cfg.model).load_state_dict(kept, strict=True)


def test_conversion_back_restores_every_used_parameter(layouts):
    for name, shapes in some(layouts.items()):
        state = random_state(shapes)

        exported, _ = convert_state_dict(convert_state_dict(state)[0])

        used = {key for key in state if key not in UNUSED}
        assert used <= exported.keys() <= state.keys()
        for key in used:
            assert exported[key].shape == state[key].shape, f'{name}: {key}'
            rows = used_rows if name.endswith('_coco') and key in ROWS else lambda tensor, _: tensor
            assert torch.equal(rows(exported[key], key), rows(state[key], key)), f'{name}: {key}'


def used_rows(tensor: Tensor, key: str) -> Tensor:
    """Return the rows of the categories that COCO uses, and those of patches."""
    original = 91 if key.startswith('decoder.') else 90
    ids = [0, *COCO_CATEGORY_IDS] if original == 91 else [i - 1 for i in COCO_CATEGORY_IDS]
    patches = range(original, tensor.size(ROWS[key]))
    return tensor.index_select(ROWS[key], torch.tensor([*ids, *patches]))


def test_surplus_and_missing_parameters_are_named(layouts):
    for shapes in some(layouts.values()):
        state = random_state(shapes)
        with pytest.raises(ValueError, match=r'unknown surplus\.weight'):
            convert_state_dict({**state, 'surplus.weight': torch.zeros(1)})
        removed = next(key for key in state if key.endswith('blocks.3.norm1.weight'))
        del state[removed]
        with pytest.raises(ValueError, match=f'missing {removed}'):
            convert_state_dict(state)
