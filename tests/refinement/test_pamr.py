"""PAMR against its formulas written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from weaktr_mmseg.refinement import PAMRRefiner


def written_out(image, probabilities, iterations, dilations, scale):
    height, width = image.shape[:2]
    pixels = image.astype(np.float64)
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]

    def around(array, i, j):
        places = ((i + d * y, j + d * x) for d in dilations for y, x in steps)
        clipped = [(min(max(y, 0), height - 1), min(max(x, 0), width - 1)) for y, x in places]
        return np.stack([array[place] for place in clipped])

    current = probabilities.transpose(1, 2, 0).astype(np.float64)
    for _ in range(iterations):
        refined = np.empty_like(current)
        for i in range(height):
            for j in range(width):
                neighbours = around(pixels, i, j)
                deviation = np.concatenate([neighbours, pixels[i, j][None]]).std(0)
                exponent = -(np.abs(neighbours - pixels[i, j]) / (scale * deviation)).mean(1)
                weight = np.exp(exponent) / np.exp(exponent).sum()
                refined[i, j] = weight @ around(current, i, j)
        current = refined
    return current.transpose(2, 0, 1)


@pytest.mark.parametrize(
    ('iterations', 'dilations', 'scale'), [(0, (1,), 0.1), (1, (1,), 0.1), (3, (1, 2, 5), 0.5)]
)
def test_is_the_formula(iterations, dilations, scale):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    probabilities = rng.dirichlet(np.ones(3), (5, 7)).transpose(2, 0, 1).astype(np.float32)
    refiner = PAMRRefiner(iterations, dilations, scale)
    result = refiner.refine(torch.from_numpy(image), torch.from_numpy(probabilities))
    expected = written_out(image, probabilities, iterations, dilations, scale)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_on_a_flat_image_it_is_the_mean_of_the_neighbours():
    probabilities = torch.zeros(2, 5, 5)
    probabilities[0] = 1
    probabilities[:, 2, 2] = torch.tensor([0.0, 1.0])
    image = torch.full((5, 5, 3), 90, dtype=torch.uint8)
    result = PAMRRefiner(iterations=1, dilations=[1]).refine(image, probabilities)
    assert result[1, 2, 2] == 0
    torch.testing.assert_close(result[1, 1:4, 1], torch.full((3,), 1 / 8))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(iterations=-1), 'iterations: expected at least 0, got -1'),
        (dict(dilations=[]), r'dilations: expected numbers of at least 1, got \[\]'),
        (dict(dilations=[0, 2]), r'dilations: expected numbers of at least 1, got \[0, 2\]'),
        (dict(scale=0), 'scale: expected a number > 0, got 0'),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        PAMRRefiner(**options)
