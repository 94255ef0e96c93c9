from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS

from weaktr_mmseg.models import WeakTrUniformFusion

BATCH, TOKENS, HEADS, LAYERS, HEAD_DIMS = 2, 7, 3, 4, 4


def weigh(**options):
    sizes = dict(num_layers=LAYERS, num_heads=HEADS, head_dims=HEAD_DIMS)
    fusion = MODELS.build(dict(type='WeakTrUniformFusion', **sizes, **options))
    output = torch.randn(BATCH, TOKENS, HEADS * HEAD_DIMS, dtype=torch.float64)
    return fusion, fusion([fusion.pool(output)] * LAYERS)


@pytest.mark.parametrize('last_layers', [None, 1, 3, LAYERS])
def test_weights_of_the_last_layers_are_alike_and_one_on_average(last_layers):
    fusion, weights = weigh(last_layers=last_layers)
    assert weights.shape == (BATCH, HEADS, LAYERS)
    assert weights.dtype == torch.float64
    torch.testing.assert_close(weights.mean(dim=(1, 2)), torch.ones(BATCH, dtype=torch.float64))
    count = last_layers or LAYERS
    assert not weights[..., : LAYERS - count].any()
    assert len(weights[..., LAYERS - count :].unique()) == 1
    assert list(fusion.fused_layers) == list(range(LAYERS - count, LAYERS))
    assert not list(fusion.parameters())


@pytest.mark.parametrize('last_layers', [0, LAYERS + 1])
def test_refuses_a_number_of_layers_that_there_is_not(last_layers):
    with pytest.raises(ValueError, match=f'last_layers: expected 1 to 4 .* got {last_layers}'):
        weigh(last_layers=last_layers)


def test_a_network_of_one_layer():
    fusion = WeakTrUniformFusion(1, HEADS, HEAD_DIMS)
    pooled = [fusion.pool(torch.zeros(BATCH, TOKENS, HEADS * HEAD_DIMS))]
    assert torch.equal(fusion(pooled), torch.ones(BATCH, HEADS, 1))
