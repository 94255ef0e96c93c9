"""Mean-field inference of a fully connected CRF (Kraehenbuehl and Koltun 2011, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .permutohedral import PermutohedralLattice

CHUNK_NUMBERS = 2**18  # 1 MiB of float32


def mean_field(unary: Tensor, lattices: Sequence[PermutohedralLattice], iterations: int) -> Tensor:
    """Infers the probability of each label at each point.

    Each iteration replaces the probabilities ``Q`` by ``softmax(sum of K Q - unary)``, ``K`` the
    filters of the lattices. With the least energy at 0, the largest logit is at least 0, and it is
    rarely above the sum of the weights of the terms: the softmax can do without looking for the
    maximum, which takes as long as the rest of it. If an exponential does overflow, its NaN reaches
    the result, and everything is done again with the maximum.

    Args:
        unary: Energies, float32 (points, labels), the least at each point 0.
        lattices: Normalised and weighted kernels over these points.
        iterations: Number of iterations; 0 gives the softmax of ``-unary``.

    Returns:
        Probabilities, float32 (points, labels).
    """
    marginals = torch.empty_like(unary)
    for softmax in (_softmax_of_small, torch.softmax):
        _update(marginals, unary, [], [], softmax)
        for _ in range(iterations):
            tables = [lattice.blur(lattice.splat(marginals)) for lattice in lattices]
            _update(marginals, unary, lattices, tables, softmax)
        if bool(marginals.sum().isfinite()):
            break
    return marginals


def _update(
    marginals: Tensor,
    unary: Tensor,
    lattices: Sequence[PermutohedralLattice],
    tables: Sequence[Tensor],
    softmax: Callable[..., Tensor],
) -> None:
    """Writes the softmax of the messages less the unary into the marginals.

    On a CPU, chunks that fit into its cache: with intermediate results of full size a third of the
    time went into page faults, as the C library returns such blocks to the system at once.
    """
    points, labels = unary.shape
    chunk = points if unary.is_cuda else max(CHUNK_NUMBERS // labels, 1)
    for start in range(0, points, chunk):
        stop = start + chunk
        logits = -unary[start:stop]
        for lattice, table in zip(lattices, tables):
            logits += lattice.slice(table, start, stop)
        softmax(logits, 1, out=marginals[start:stop])


def _softmax_of_small(logits: Tensor, dim: int, out: Tensor) -> Tensor:
    """Softmax of logits none of which overflows in ``exp``, (points, labels); overwrites them.

    PyTorch's kernel for the CPU computes rows shorter than 16 numbers one number at a time;
    element-wise operations over the whole table and a product are 5 times as fast there.
    """
    logits.exp_()
    # The sum as a product, in BLAS; `mv`, as `@` may be set to compute in less than float32.
    sums = logits.mv(logits.new_ones(logits.shape[dim]))
    return torch.div(logits, sums[:, None], out=out)
