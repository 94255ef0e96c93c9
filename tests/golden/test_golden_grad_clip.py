"""Gradient clipping agrees with the authors' implementation within 1e-6."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from weaktr_mmseg.models.losses.gradient_clipping_loss import (
    WeakTrGradientClippingLoss,
    gradient_clipping_loss,
)

GOLDEN_PATTERN = 'grad_clip_*.npz'
EXACT = dict(rtol=0, atol=1e-6, check_dtype=False)


def test_clipped_pixel_loss(golden):
    logits, label = golden.tensor('logits').double(), golden.tensor('label').long()
    pixel_loss = F.cross_entropy(logits, label, ignore_index=255, reduction='none')
    torch.testing.assert_close(pixel_loss, golden.tensor('pixel_loss'), **EXACT)

    result = gradient_clipping_loss(
        pixel_loss, int(golden['patch_size']), float(golden['start_value'])
    )

    torch.testing.assert_close(result.pixel_loss, golden.tensor('clipped_loss'), **EXACT)
    clipped = golden['pixel_loss'] - golden['clipped_loss'] > 1e-6
    assert abs(result.clipped_share.item() - clipped.mean()) <= 1e-3


def test_loss_and_gradient(golden):
    logits = golden.tensor('logits').double().requires_grad_()
    criterion = WeakTrGradientClippingLoss(
        patch_size=int(golden['patch_size']), start=float(golden['start_value'])
    )

    loss = criterion(logits, golden.tensor('label').long(), ignore_index=255)
    loss.backward()

    assert abs(loss.item() - float(golden['loss'])) <= 1e-6
    torch.testing.assert_close(logits.grad, golden.tensor('grad'), **EXACT)
