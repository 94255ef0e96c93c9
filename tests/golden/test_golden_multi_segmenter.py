"""The decoder read out after two layers agrees with the authors' implementation within 1e-4."""

from __future__ import annotations

import pytest
import torch
from published_segmentor import build_segmentor

from looping import some

GOLDEN_PATTERN = 'multi_segmenter*.npz'


@pytest.fixture
def segmentor(golden):
    """Segmentor of the published configs in the form of the golden file, read out twice."""
    segmentor = build_segmentor(golden)
    segmentor.test_cfg.update(mode='whole', readout_weights=(0.8, 1.0))
    return segmentor


@torch.no_grad()
def test_both_readouts_of_one_pass(segmentor, golden):
    cases = golden.groups('case')
    assert cases
    passes = []
    segmentor.backbone.register_forward_hook(lambda *_: passes.append(1))
    for case in cases:
        image = golden.tensor(f'{case}/input').double()
        size = tuple(image.shape[2:])

        logits = segmentor.inference(image, [dict(img_shape=size, ori_shape=size)] * len(image))

        first, last = logits.chunk(2, dim=1)
        expected = golden.tensor(f'{case}/logits_first'), golden.tensor(f'{case}/logits_last')
        torch.testing.assert_close(first, expected[0].double(), rtol=0, atol=1e-4)
        torch.testing.assert_close(last, expected[1].double(), rtol=0, atol=1e-4)
    assert len(passes) == len(cases)


@torch.no_grad()
def test_training_and_validation_see_the_last_readout(segmentor, golden):
    del segmentor.test_cfg['readout_weights']
    for case in some(golden.groups('case')):
        image = golden.tensor(f'{case}/input').double()
        size = tuple(image.shape[2:])
        logits = segmentor.encode_decode(image, [dict(img_shape=size, ori_shape=size)] * len(image))
        expected = golden.tensor(f'{case}/logits_last').double()
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
