"""Clipping with the statistics of each image alone agrees with the authors' implementation.

Theirs ran one image on each of several processes; the arrays were made the same way.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from weaktr_mmseg.models.losses.gradient_clipping_loss import (
    WeakTrGradientClippingLoss,
    gradient_clipping_loss,
)

GOLDEN_PATTERN = 'per_image_grad_clip*.npz'


def assert_close(actual, expected, atol):
    torch.testing.assert_close(actual, expected.double(), rtol=0, atol=atol)


def test_clipped_pixel_loss(golden):
    logits, label = golden.tensor('logits').double(), golden.tensor('label').long()
    pixel_loss = F.cross_entropy(logits, label, ignore_index=255, reduction='none')
    assert_close(pixel_loss, golden.tensor('pixel_loss'), atol=3e-6)

    result = gradient_clipping_loss(
        pixel_loss, int(golden['patch_size']), float(golden['start_value']), images_per_group=1
    )

    assert_close(result.pixel_loss, golden.tensor('clipped_loss'), atol=3e-6)
    assert_close(result.pixel_loss.mean((1, 2)), golden.tensor('loss_per_image'), atol=1e-6)
    # The array's own clipped_share counts every difference, two thirds of which are rounding.
    clipped = golden['pixel_loss'] - golden['clipped_loss'] > 1e-6
    assert result.clipped_share.item() == pytest.approx(clipped.mean(), abs=1e-3)


@pytest.mark.parametrize(('group', 'name'), [(1, 'loss'), (None, 'loss_as_one_batch')])
def test_loss(golden, group, name):
    criterion = build_loss(golden, group)
    logits, label = golden.tensor('logits').double(), golden.tensor('label').long()
    assert abs(criterion(logits, label, ignore_index=255).item() - float(golden[name])) <= 1e-6


def test_gradient(golden):
    logits = golden.tensor('logits').double().requires_grad_()
    loss = build_loss(golden, 1)(logits, golden.tensor('label').long(), ignore_index=255)
    loss.backward()
    assert_close(logits.grad, golden.tensor('grad'), atol=1e-9)


def build_loss(golden, images_per_group):
    return WeakTrGradientClippingLoss(
        patch_size=int(golden['patch_size']),
        start=float(golden['start_value']),
        images_per_group=images_per_group,
    )
