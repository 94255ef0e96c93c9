"""Mean-field inference against the update written out with dense matrices."""

from __future__ import annotations

import pytest
import torch

from weaktr_mmseg.crf import mean_field as module
from weaktr_mmseg.crf.mean_field import mean_field
from weaktr_mmseg.crf.permutohedral import PermutohedralLattice

POINTS = 120


def kernels(weight: float) -> list[PermutohedralLattice]:
    """Two kernels normalised from both sides."""
    lattices = []
    for dims in (2, 5):
        features = 3 * torch.rand(dims, POINTS, generator=torch.Generator().manual_seed(dims))
        lattice = PermutohedralLattice.build(features)
        norm = lattice.filter(torch.ones(POINTS, 1)).view(-1).rsqrt()
        lattices.append(lattice.scaled(norm, norm * weight))
    return lattices


def energies(labels: int) -> torch.Tensor:
    unary = 5 * torch.rand(POINTS, labels, generator=torch.Generator().manual_seed(labels))
    return unary - unary.amin(1, keepdim=True)


def written_out(
    unary: torch.Tensor, lattices: list[PermutohedralLattice], iterations: int
) -> torch.Tensor:
    matrix = sum(lattice.filter(torch.eye(POINTS)) for lattice in lattices).double()
    marginals = (-unary.double()).softmax(1)
    for _ in range(iterations):
        marginals = (matrix @ marginals - unary).softmax(1)
    return marginals.float()


@pytest.mark.parametrize('labels', [1, 2, 3, 21])
@pytest.mark.parametrize('iterations', [0, 1, 5])
def test_is_the_update_of_the_paper(labels, iterations):
    unary, lattices = energies(labels), kernels(weight=3)
    result = mean_field(unary, lattices, iterations)
    torch.testing.assert_close(result, written_out(unary, lattices, iterations), atol=1e-4, rtol=0)


def test_chunks_do_not_change_the_result(monkeypatch):
    unary, lattices = energies(3), kernels(weight=3)
    expected = mean_field(unary, lattices, 3)
    monkeypatch.setattr(module, 'CHUNK_NUMBERS', 50)
    torch.testing.assert_close(mean_field(unary, lattices, 3), expected)


def test_messages_too_large_for_exp():
    """Logits above 88 overflow float32: the result is still right."""
    unary, lattices = energies(3), kernels(weight=500)
    expected = written_out(unary, lattices, 2)
    torch.testing.assert_close(mean_field(unary, lattices, 2), expected, atol=1e-3, rtol=0)


def test_an_impossible_label_keeps_probability_0():
    unary = energies(4)
    unary[:, 2] = torch.inf
    result = mean_field(unary, kernels(weight=3), 5)
    assert (result[:, 2] == 0).all()
    expected = mean_field(unary[:, [0, 1, 3]], kernels(weight=3), 5)
    torch.testing.assert_close(result[:, [0, 1, 3]], expected)
