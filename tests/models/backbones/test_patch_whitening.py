from __future__ import annotations

import pytest
import torch
from torch import nn

from weaktr_mmseg.models.backbones.patch_whitening import whiten_patches_


def natural_patches(count: int, side: int) -> torch.Tensor:
    """Random patches whose pixels and colours correlate as the filters assume."""
    pixels = torch.cartesian_prod(torch.arange(side), torch.arange(side)).double()
    space = torch.linalg.cholesky(0.95 ** torch.cdist(pixels, pixels))
    colour = torch.linalg.cholesky(torch.full((3, 3), 0.9).fill_diagonal_(1.0).double())
    noise = torch.randn(count, 3, side**2, dtype=torch.float64)
    return (colour @ noise @ space.T).view(count, 3, side, side).float()


def test_output_on_natural_patches_is_white():
    projection = nn.Conv2d(3, 40, 4, stride=4)

    whiten_patches_(projection, floor=1e-6)

    output = projection(natural_patches(20000, 4)).flatten(1)
    assert output.mean(0).abs().max() < 0.05
    torch.testing.assert_close(output.T @ output / len(output), torch.eye(40), atol=0.06, rtol=0)


def test_floor_damps_weak_components_most():
    projection = nn.Conv2d(3, 48, 4, stride=4)

    whiten_patches_(projection, floor=0.3)

    variance = projection(natural_patches(5000, 4)).flatten(1).var(0)
    assert variance[0] > 0.9
    assert variance[-1] < 0.2


def test_filters_beyond_the_pixels_are_zero():
    projection = nn.Conv2d(3, 20, 2, stride=2)

    whiten_patches_(projection, floor=0.1)

    assert projection.weight[12:].eq(0).all()
    assert projection.weight[:12].flatten(1).norm(dim=1).gt(0).all()


def test_rejects_gray_images_and_no_floor():
    with pytest.raises(ValueError, match='expected 3 input channels, got 1'):
        whiten_patches_(nn.Conv2d(1, 4, 2), floor=0.1)
    with pytest.raises(ValueError, match='expected a positive variance, got 0'):
        whiten_patches_(nn.Conv2d(3, 4, 2), floor=0)
