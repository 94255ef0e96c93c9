"""Gaussian filtering in any dimension on the permutohedral lattice.

After Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
Computer Graphics Forum 29(2), 2010 (page numbers below), in tensor operations alone.

A point in ``d`` dimensions lies in one simplex of the lattice, which has ``D = d + 1`` vertices.
*Splatting* adds the value of each point to those vertices with barycentric weights, *blurring*
mixes each vertex with its two neighbours along each of ``D`` directions, *slicing* reads the
values back with the weights of splatting. Each of the three is a weighted sum of table rows, so
each is an ``embedding_bag``: a fused kernel on CPU and GPU that never stores the gathered rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

BLUR = (1.0, 0.5, 0.5)  # weight of a vertex and of its neighbours on both sides
PAIRED_LABELS = 12  # wide rows cost more to write and read once more than to add up in nines


@dataclass(frozen=True)
class PermutohedralLattice:
    """The lattice vertices around ``N`` points: ``M`` of them and one that stands for "absent".

    The absent vertex is the last row of every table of vertices and always holds 0.

    Attributes:
        slice_index: Vertices around each point, int32 (N, D).
        slice_weight: Weights to read them with, float32 (N, D).
        splat_index: Points around each vertex, one vertex after the other, int32 (N * D,).
        splat_weight: Weights to add them with, float32 (N * D,).
        splat_offsets: Where the points of each vertex begin and end, int32 (M + 2,).
        neighbours: Each vertex and its two neighbours in each direction, int32 (D, M + 1, 3).
        blur_weight: Weights of these three, the same for each vertex, float32 (M + 1, 3).
    """

    slice_index: Tensor
    slice_weight: Tensor
    splat_index: Tensor
    splat_weight: Tensor
    splat_offsets: Tensor
    neighbours: Tensor
    blur_weight: Tensor

    @classmethod
    def build(cls, features: Tensor, ghosts: int = 0) -> PermutohedralLattice:
        """Finds the vertices around each point.

        Args:
            features: Positions in units of the standard deviation, float32 (d, N).
            ghosts: How many points at the end only make sure that the vertices around them exist:
                blurring reaches further over more vertices. They are not among the lattice's N.

        Raises:
            ValueError: If the positions are not float32 (d, N) with N > 0, or reach so far that the
                coordinates of a vertex do not fit into 63 bits.
        """
        if features.ndim != 2 or features.dtype != torch.float32 or not features.numel():
            raise ValueError(
                f'features: expected float32 (d, N), not empty, got {features.dtype} '
                f'{tuple(features.shape)}'
            )
        nearest, rank, weight = _enclosing_simplex(features)
        codes, radix = _vertex_codes(nearest, rank)
        dims, count = len(codes), features.shape[1] - ghosts
        weight[:, count:] = 0

        codes, order = codes.t().flatten().sort()  # (N * D,)
        first = torch.ones_like(codes, dtype=torch.bool)  # of the entries of a vertex
        torch.ne(codes[1:], codes[:-1], out=first[1:])
        starts = first.nonzero().view(-1)  # (M,)
        vertices = torch.empty_like(order, dtype=torch.int32)
        vertices.scatter_(0, order, first.cumsum(0, dtype=torch.int32).sub_(1))
        points = order.to(torch.int32).div_(dims, rounding_mode='floor').clamp_(max=count - 1)
        weight = weight.t().contiguous()  # (N, D)
        end = starts.new_full((2,), codes.numel())  # of the last vertex, and of the absent one
        return cls(
            slice_index=vertices.view(-1, dims)[:count],
            slice_weight=weight[:count],
            splat_index=points,
            splat_weight=weight.view(-1).index_select(0, order),
            splat_offsets=torch.cat([starts, end]).to(torch.int32),
            neighbours=_neighbours(codes[starts], radix),
            blur_weight=features.new_tensor(BLUR).repeat(len(starts) + 1, 1),
        )

    def splat(self, values: Tensor) -> Tensor:
        """Adds values of points (N, L) up at the vertices (M + 1, L)."""
        return _weighted_rows(values, self.splat_index, self.splat_weight, self.splat_offsets)

    def blur(self, table: Tensor) -> Tensor:
        """Mixes the vertices (M + 1, L) with their neighbours, one direction after the other."""
        wide = table.shape[1] >= PAIRED_LABELS
        for neighbours, weight in self._paired_blurs if wide else self._blurs:
            table = _weighted_rows(table, neighbours, weight)
        return table

    @property
    def _blurs(self) -> list[tuple[Tensor, Tensor]]:
        """Neighbours, int32 (M + 1, 3), and their weights in each direction."""
        return [(neighbours, self.blur_weight) for neighbours in self.neighbours]

    @cached_property
    def _paired_blurs(self) -> list[tuple[Tensor, Tensor]]:
        """The same for two directions in one step: neighbours of neighbours, int32 (M + 1, 9)."""
        blurs = self._blurs
        rows = len(self.blur_weight)
        first = self.blur_weight.new_tensor(BLUR)
        weight = torch.outer(first, first).view(1, 9).repeat(rows, 1)
        paired = [
            (inner.index_select(0, outer.view(-1)).view(rows, 9), weight)
            for inner, outer in zip(self.neighbours[::2], self.neighbours[1::2])
        ]
        return paired + blurs[len(blurs) - len(blurs) % 2 :]

    def slice(self, table: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Reads the values of points, or of a range of them, (M + 1, L) -> (N, L)."""
        return _weighted_rows(table, self.slice_index[start:stop], self.slice_weight[start:stop])

    def filter(self, values: Tensor) -> Tensor:
        """Sums the values of all points, float32 (N, L), with Gaussian weights."""
        return self.slice(self.blur(self.splat(values)))

    def scaled(self, before: Tensor, after: Tensor) -> PermutohedralLattice:
        """Returns the lattice that filters ``before * values`` and multiplies by ``after``.

        Args:
            before: Factor of each point, float32 (N,).
            after: The same, for the result.
        """
        return replace(
            self,
            splat_weight=self.splat_weight * before.index_select(0, self.splat_index),
            slice_weight=self.slice_weight * after[:, None],
        )

    @classmethod
    def concatenate(cls, lattices: Sequence[PermutohedralLattice]) -> PermutohedralLattice:
        """Joins lattices of equal dimension side by side: points of one do not see the others'."""
        if len(lattices) == 1:
            return lattices[0]
        slice_index, splat_index, offsets, neighbours = [], [], [], []
        points = rows = entries = 0
        for lattice in lattices:
            slice_index.append(lattice.slice_index + rows)
            splat_index.append(lattice.splat_index + points)
            offsets.append(lattice.splat_offsets[:-1] + entries)
            neighbours.append(lattice.neighbours + rows)
            points += len(lattice.slice_index)
            rows += len(lattice.splat_offsets) - 1
            entries += len(lattice.splat_index)
        offsets.append(offsets[0].new_tensor([entries]))
        return cls(
            slice_index=torch.cat(slice_index),
            slice_weight=torch.cat([lattice.slice_weight for lattice in lattices]),
            splat_index=torch.cat(splat_index),
            splat_weight=torch.cat([lattice.splat_weight for lattice in lattices]),
            splat_offsets=torch.cat(offsets),
            neighbours=torch.cat(neighbours, dim=1),
            blur_weight=torch.cat([lattice.blur_weight for lattice in lattices]),
        )


def _weighted_rows(
    table: Tensor, index: Tensor, weight: Tensor, offsets: Tensor | None = None
) -> Tensor:
    """Sums rows of a table with weights: one sum a row of ``index``, or between two offsets."""
    return F.embedding_bag(
        index,
        table,
        offsets,
        mode='sum',
        per_sample_weights=weight,
        include_last_offset=offsets is not None,
    )


def _enclosing_simplex(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Finds the simplex around each point, on the plane in D dimensions whose coordinates sum to 0.

    Args:
        features: Positions, float32 (d, N).

    Returns:
        Three of shape (D, N): the nearest vertex of remainder 0, divided by D, int32; the rank of
        each coordinate of the difference, 0 for the largest, int64; the barycentric weight of the
        vertex of each remainder, float32.
    """
    elevated = _elevate(features)
    dims, count = elevated.shape
    inverse = float(torch.tensor(1.0) / dims)  # as float32: rounding decides between simplices
    nearest = (elevated * inverse).round_()  # (D, N)
    difference = elevated - nearest * dims
    rank = torch.arange(dims, dtype=torch.int8, device=features.device)[:, None].repeat(1, count)
    for i in range(dims):
        for j in range(i + 1, dims):
            above = (difference[i] < difference[j]).to(torch.int8)
            rank[i] += above
            rank[j] -= above

    rank += nearest.sum(0).to(torch.int8)  # not 0 where rounding left the plane
    wrap = (rank < 0).to(torch.int8) - (rank >= dims).to(torch.int8)
    rank = (rank + wrap * dims).long()
    nearest += wrap
    residual = (elevated - nearest * dims).mul_(inverse)
    ordered = torch.empty_like(residual).scatter_(0, rank, residual).flip(0)  # ascending
    weight = ordered.clone()
    weight[1:] -= ordered[:-1]
    weight[0] += 1 - ordered[-1]
    return nearest.to(torch.int32), rank, weight


def _elevate(features: Tensor) -> Tensor:
    """Maps positions onto the plane with the basis of p. 5, (d, N) -> (D, N).

    The scale makes the blur, whose variance is 2/3 of the squared distance D of two vertices, one
    of unit variance (p. 6).
    """
    dims = len(features) + 1
    deviation = float(torch.tensor(math.sqrt(2 / 3) * dims, dtype=torch.float32))
    elevated = features.new_empty(dims, features.shape[1])
    total = torch.zeros_like(features[0])
    for j in range(dims - 1, 0, -1):
        scaled = features[j - 1] * (deviation / math.sqrt(j * (j + 1)))
        elevated[j] = total - scaled * j
        total += scaled
    elevated[0] = total
    return elevated


def _vertex_codes(nearest: Tensor, rank: Tensor) -> tuple[Tensor, list[int]]:
    """Numbers the vertices of each simplex.

    The coordinates of a vertex of remainder r are all r modulo D, and the last follows from the
    others. A code is ``r + D * (mixed-radix number of the first d coordinates divided by D)``.

    Args:
        nearest: Vertex of remainder 0 divided by D, int32 (D, N).
        rank: Rank of each coordinate, int64 (D, N).

    Returns:
        Codes of the vertices of remainder 0 to d, int32 if they fit (they sort twice as fast) or
        int64, (D, N), and what the code grows by when a coordinate grows by D (0 for the last).

    Raises:
        ValueError: If the codes do not fit into 63 bits.
    """
    dims = len(nearest)
    low = nearest.amin(1) - 2  # a vertex lies up to 1 below, its neighbour 1 lower
    spans = (nearest.amax(1) + 2 - low).tolist()
    radix = [dims]
    for span in spans[:-1]:
        radix.append(radix[-1] * span)
    if radix[-1] >= 2**63:
        raise ValueError(f'features: expected a lattice of less than 2^63 vertices, got {spans}')
    dtype = torch.int32 if radix[-1] < 2**31 else torch.int64
    radix[-1] = 0
    step = torch.tensor(radix, dtype=dtype, device=nearest.device)[:, None]  # (D, 1)

    codes = torch.empty_like(nearest, dtype=dtype)
    torch.sum((nearest - low[:, None]) * step, 0, dtype=dtype, out=codes[0])
    # From one remainder to the next all coordinates grow by 1, but one falls by d: the one whose
    # rank is D - r.
    falling = torch.empty_like(codes).scatter_(0, rank, step.expand_as(rank))
    for r in range(1, dims):
        torch.sub(codes[r - 1] + 1, falling[dims - r], out=codes[r])
    return codes, radix


def _neighbours(codes: Tensor, radix: list[int]) -> Tensor:
    """Finds the neighbours of each vertex: all coordinates differ by 1, one by -d.

    Args:
        codes: Sorted codes of the vertices, int32 or int64 (M,).
        radix: What a code grows by when a coordinate grows by D.

    Returns:
        Each vertex and its neighbours below and above, int32 (D, M + 1, 3), M where absent.
    """
    dims, count = len(radix), len(codes)
    borrow = dims - sum(radix)  # from every coordinate, below remainder 0
    below = codes - 1 + (codes % dims == 0) * borrow
    vertices = torch.arange(count + 1, dtype=torch.int32, device=codes.device)
    neighbours = vertices[:, None].repeat(dims, 1, 3)
    neighbours[:, :, 1:] = count
    for table, step in zip(neighbours, radix):
        wanted = below + step
        found = torch.searchsorted(codes, wanted, out_int32=True).clamp_(max=count - 1)
        found = torch.where(codes.index_select(0, found) == wanted, found, count)
        table[:-1, 1] = found
        table[:, 2].index_copy_(0, found.long(), vertices[:-1])  # the pair seen from the other side
    neighbours[:, -1] = count
    return neighbours
