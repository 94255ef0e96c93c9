from __future__ import annotations

import copy
import pickle

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from weaktr_mmseg.models.checkpoint_guard import guard_class_ids, guard_layout
from weaktr_mmseg.models.heads.gradient_clipping_head import WeakTrGradientClippingHead
from weaktr_mmseg.utils.errors import WeakTrInputError


class Segmentor(nn.Module):
    """A head inside of a model, as checkpoints have it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(4, classes)
        guard_layout(self)
        guard_class_ids(self.head, 'weight', dim=0)


@pytest.mark.parametrize(('classes', 'original'), [(80, 90), (81, 91)])
def test_refuses_original_coco_ids(classes, original):
    state = {'head.weight': torch.zeros(original, 4)}
    message = rf'head\.weight: expected {classes} classes .* has {original} by the original ids'
    with pytest.raises(ValueError, match=message):
        load_state_dict(Segmentor(classes), state)


@pytest.mark.parametrize('other', [1, 5, 7, 90])
def test_refuses_other_classes(other):
    message = rf'^head\.weight: expected 6 classes, but the checkpoint has {other}$'
    with pytest.raises(WeakTrInputError, match=message):
        load_state_dict(Segmentor(6), {'head.weight': torch.zeros(other, 4)})


@pytest.mark.parametrize(
    'name', ['decoder.cls_emb', 'adaptive_attention_fusion.attn_head_ffn.0.weight']
)
def test_refuses_the_authors_names(name):
    with pytest.raises(ValueError, match='convert it first: python tools/convert_checkpoint'):
        load_state_dict(Segmentor(20), {name: torch.zeros(1)})


def test_accepts_its_own_and_survives_copies():
    state = {key: torch.ones_like(value) for key, value in Segmentor(80).state_dict().items()}
    for model in (
        Segmentor(80),
        copy.deepcopy(Segmentor(80)),
        pickle.loads(pickle.dumps(Segmentor(80))),
    ):
        load_state_dict(model, state, strict=True)
        assert (model.head.weight == 1).all()
        with pytest.raises(ValueError, match='original ids'):
            load_state_dict(model, {'head.weight': torch.zeros(90, 4)})


def test_guards_the_decode_head():
    settings = dict(in_channels=8, channels=8, num_layers=1, num_heads=2, embed_dims=8)
    head = WeakTrGradientClippingHead(**settings, num_classes=81)
    with pytest.raises(ValueError, match='cls_emb: expected 81 classes'):
        load_state_dict(head, {'cls_emb': torch.zeros(1, 91, 8)})
