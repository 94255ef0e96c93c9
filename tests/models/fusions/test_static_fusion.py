from __future__ import annotations

import pytest
import torch

from weaktr_mmseg.models import WeakTrStaticFusion

SIZES = dict(num_layers=3, num_heads=2, head_dims=4)


@pytest.mark.parametrize(('activation', 'start'), [('sigmoid', 0.5), ('softmax', 1.0)])
def test_all_heads_start_alike(activation, start):
    fusion = WeakTrStaticFusion(activation, **SIZES)
    pooled = [fusion.pool(torch.zeros(5, 7, 8)) for _ in range(3)]
    torch.testing.assert_close(fusion(pooled), torch.full((5, 2, 3), start))


@pytest.mark.parametrize(('activation', 'mean'), [('sigmoid', None), ('softmax', 1.0)])
def test_a_logit_is_the_weight_of_its_head(activation, mean):
    fusion = WeakTrStaticFusion(activation, **SIZES)
    with torch.no_grad():
        fusion.logits[1, 2] = 3.0
    weights = fusion([torch.zeros(1, 0)])[0]
    assert weights.argmax() == 1 * 3 + 2
    assert len(weights.unique()) == 2
    if mean is not None:
        torch.testing.assert_close(weights.mean(), torch.tensor(mean))


def test_unknown_activation():
    with pytest.raises(ValueError, match="expected one of 'sigmoid', 'softmax', got 'relu'"):
        WeakTrStaticFusion('relu', **SIZES)
