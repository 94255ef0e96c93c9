from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from weaktr_mmseg.models.backbones.position_embedding import resize_by_factor, sine_cosine_grid

SIDE, WIDTH = 4, 8


@pytest.fixture
def grid():
    return torch.randn(1, SIDE * SIDE, WIDTH, generator=torch.manual_seed(0))


def cubic_weights(length, side):
    """Matrix (length, side) of bicubic sampling with the factor (length + 0.1) / side."""

    def kernel(x, a=-0.75):
        x = abs(x)
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    weights = np.zeros((length, side))
    for target in range(length):
        source = (target + 0.5) * side / (length + 0.1) - 0.5
        for tap in range(math.floor(source) - 1, math.floor(source) + 3):
            weights[target, min(max(tap, 0), side - 1)] += kernel(source - tap)
    return weights


@pytest.mark.parametrize('size', [(4, 4), (5, 7), (2, 3), (9, 4)])
def test_samples_with_the_factors_and_not_with_the_rounded_size(grid, size):
    resized = resize_by_factor(grid, size)

    square = grid.numpy().reshape(SIDE, SIDE, WIDTH)
    rows, columns = (cubic_weights(length, SIDE) for length in size)
    expected = np.einsum('ip,jq,pqe->ije', rows, columns, square).reshape(1, -1, WIDTH)
    np.testing.assert_allclose(resized.numpy(), expected, atol=1e-5)
    by_size = F.interpolate(torch.from_numpy(square).permute(2, 0, 1)[None], size, mode='bicubic')
    assert not torch.allclose(resized, by_size.flatten(2).mT, atol=1e-3)


def test_gives_the_wanted_number_of_patches():
    embedding = torch.zeros(1, 14 * 14, 1)
    for length in range(1, 130):
        assert resize_by_factor(embedding, (length, 1)).size(1) == length


def test_keeps_the_type(grid):
    resized = resize_by_factor(grid.bfloat16(), (5, 5))
    assert resized.dtype == torch.bfloat16


def test_sine_cosine_grid_by_loops():
    table = sine_cosine_grid(3, WIDTH)[0]
    for row in range(3):
        for column in range(3):
            waves = [
                function(position * 10000 ** (-index / 2))
                for position in (row, column)
                for function in (math.sin, math.cos)
                for index in range(2)
            ]
            torch.testing.assert_close(table[3 * row + column], torch.tensor(waves))


def test_neighbours_are_more_alike_than_distant_patches():
    similarity = sine_cosine_grid(8, 64)[0] @ sine_cosine_grid(8, 64)[0, 0]
    assert similarity.argmax() == 0
    assert similarity[1] > similarity[3]
    assert similarity[8] == pytest.approx(similarity[1].item())


def test_refuses_width_that_cannot_be_quartered():
    with pytest.raises(ValueError, match='embed_dims: expected a multiple of 4, got 10'):
        sine_cosine_grid(4, 10)
