from __future__ import annotations

import math

import pytest
import torch

from weaktr_mmseg.models import WeakTrFeatures, WeakTrHeadEntropyLoss
from weaktr_mmseg.models.fusions import fuse_attention


def features_of(weights):
    tokens = [torch.zeros(len(weights), weights.size(1), 5, 2)] * weights.size(2)
    attention = fuse_attention(tokens, tokens, weights, num_classes=1)
    return WeakTrFeatures(torch.zeros(1), torch.zeros(1), attention)


@pytest.mark.parametrize('scale', [1.0, 7.0])
def test_the_definition_whatever_the_sum_of_the_weights(scale):
    weights = torch.rand(2, 3, 4, generator=torch.manual_seed(0)) * scale
    loss = WeakTrHeadEntropyLoss(loss_weight=0.5)(features_of(weights), None, None)
    expected = 0.0
    for image in weights:
        for weight in image.flatten().tolist():
            share = weight / image.sum().item()
            expected += 0.5 * share * math.log(share) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_it_draws_unequal_weights_together_and_bears_a_weight_of_0():
    weights = torch.tensor([[[0.1, 0.9], [0.0, 0.5]]]).requires_grad_()
    loss = WeakTrHeadEntropyLoss()(features_of(weights), None, None)
    loss.backward()
    assert math.isfinite(loss.item())
    assert weights.grad[0, 0, 1] > 0 > weights.grad[0, 0, 0]  # descent lowers the large one
