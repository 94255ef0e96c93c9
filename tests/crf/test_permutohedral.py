"""The lattice filter against a dense Gaussian, and against the definition of its three steps."""

from __future__ import annotations

import itertools

import pytest
import torch

from weaktr_mmseg.crf.permutohedral import PermutohedralLattice

from looping import some


def random_features(dims: int, points: int, scale: float = 3.0, seed: int = 0) -> torch.Tensor:
    return torch.rand(dims, points, generator=torch.Generator().manual_seed(seed)) * scale


def dense_matrix(lattice: PermutohedralLattice) -> torch.Tensor:
    """The filter as a matrix (N, N)."""
    return lattice.filter(torch.eye(len(lattice.slice_index)))


@pytest.mark.parametrize('dims', [1, 2, 5])
def test_weights_are_barycentric(dims):
    lattice = PermutohedralLattice.build(random_features(dims, 200))
    assert lattice.slice_weight.shape == (200, dims + 1)
    assert (lattice.slice_weight >= -1e-5).all()
    torch.testing.assert_close(lattice.slice_weight.sum(1), torch.ones(200))


@pytest.mark.parametrize('dims', [1, 2, 3])
def test_filters_like_a_gaussian_where_points_are_dense(dims):
    features = random_features(dims, 600, scale=4.0)
    values = torch.rand(600, 2, generator=torch.Generator().manual_seed(1))
    kernel = torch.exp(-0.5 * torch.cdist(features.t(), features.t()) ** 2)
    expected = kernel @ values / kernel.sum(1, keepdim=True)
    lattice = PermutohedralLattice.build(features)
    result = lattice.filter(values) / lattice.filter(torch.ones(600, 1))
    # The lattice approximates: half of the deviation of the truth from its mean would be no filter.
    assert (result - expected).std() < 0.15 * (values - expected).std()


def test_splat_is_the_transpose_of_slice():
    lattice = PermutohedralLattice.build(random_features(3, 100))
    vertices = lattice.neighbours.shape[1]
    splat = lattice.splat(torch.eye(100))  # (M + 1, N)
    slicing = lattice.slice(torch.eye(vertices))  # (N, M + 1)
    torch.testing.assert_close(splat, slicing.t())


def test_slice_reads_a_range_of_points():
    lattice = PermutohedralLattice.build(random_features(2, 50))
    table = lattice.splat(torch.rand(50, 3))
    assert torch.equal(lattice.slice(table, 10, 25), lattice.slice(table)[10:25])


@pytest.mark.parametrize('dims', [1, 2, 5])
def test_neighbours_are_those_of_the_definition(dims):
    """Neighbours differ by (1, ..., 1, -d, 1, ..., 1): found by brute force."""
    features = random_features(dims, 60, scale=6.0)
    lattice = PermutohedralLattice.build(features)
    count = lattice.neighbours.shape[1] - 1

    # Vertex positions out of the points and weights alone: elevated = sum of weight * vertex.
    positions = vertex_coordinates(features, lattice)
    by_position = {tuple(row): index for index, row in enumerate(positions)}
    for direction, table in some(enumerate(lattice.neighbours)):
        assert table[-1].tolist() == [count] * 3
        step = [1] * (dims + 1)
        step[direction] = -dims
        for vertex, (same, below, above) in enumerate(table[:-1].tolist()):
            position = positions[vertex]
            assert same == vertex
            assert below == by_position.get(tuple(p - s for p, s in zip(position, step)), count)
            assert above == by_position.get(tuple(p + s for p, s in zip(position, step)), count)


def vertex_coordinates(
    features: torch.Tensor, lattice: PermutohedralLattice
) -> list[tuple[int, ...]]:
    """Integer coordinates of the vertices, by searching the simplex of each point in float64."""
    dims = len(features)
    scale = (2 / 3) ** 0.5 * (dims + 1)
    scaled = features.double() * torch.tensor(
        [[scale / ((j + 1) * (j + 2)) ** 0.5] for j in range(dims)], dtype=torch.float64
    )
    basis = torch.triu(torch.ones(dims + 1, dims, dtype=torch.float64))
    for j in range(dims):
        basis[j + 1, j] = -(j + 1)
    elevated = (basis @ scaled).t()  # (N, D)
    coordinates: dict[int, tuple[int, ...]] = {}
    for point, position in enumerate(elevated):
        simplex = enclosing_simplex(position)
        weights = lattice.slice_weight[point]
        reached = sum(w * v for w, v in zip(weights, simplex))
        torch.testing.assert_close(reached, position, atol=1e-3, rtol=0)
        for vertex, where in zip(lattice.slice_index[point].tolist(), simplex):
            key = tuple(int(c) for c in where)
            assert coordinates.setdefault(vertex, key) == key
    return [coordinates[vertex] for vertex in range(len(coordinates))]


def enclosing_simplex(position: torch.Tensor) -> list[torch.Tensor]:
    """Vertices of remainder 0 to d around a point of the plane: the nearest of each remainder."""
    dims = len(position)
    vertices = []
    for remainder in range(dims):
        low = torch.floor((position - remainder) / dims)
        ups = round(float(-remainder - low.sum()))  # how many coordinates must be rounded up
        order = ((position - remainder) / dims - low).argsort(descending=True)
        low[order[:ups]] += 1
        vertices.append(low * dims + remainder)
    return vertices


def test_concatenated_lattices_do_not_mix():
    lattices = [PermutohedralLattice.build(random_features(2, n, seed=n)) for n in (30, 50, 20)]
    joined = PermutohedralLattice.concatenate(lattices)
    expected = torch.block_diag(*(dense_matrix(lattice) for lattice in lattices))
    torch.testing.assert_close(dense_matrix(joined), expected)


def test_scaled_multiplies_before_and_after():
    lattice = PermutohedralLattice.build(random_features(2, 40))
    before, after = torch.rand(40), torch.rand(40)
    expected = after[:, None] * dense_matrix(lattice) * before
    torch.testing.assert_close(dense_matrix(lattice.scaled(before, after)), expected)


def test_ghosts_add_vertices_but_no_values():
    features = random_features(2, 40)
    lattice = PermutohedralLattice.build(features, ghosts=3)
    assert len(lattice.slice_index) == 37
    full = dense_matrix(PermutohedralLattice.build(features))
    torch.testing.assert_close(dense_matrix(lattice), full[:37, :37])


def test_codes_of_64_bits_give_the_same_lattice():
    """Two far-off points make the codes too long for 32 bits; the others see nothing of them."""
    near = random_features(5, 100)
    far = torch.stack([torch.full((5,), -2000.0), torch.full((5,), 2000.0)], dim=1)
    far *= torch.tensor([1, -1, 1, -1, 1])[:, None]
    lattice = PermutohedralLattice.build(torch.cat([near, far], dim=1))
    expected = dense_matrix(PermutohedralLattice.build(near))
    torch.testing.assert_close(dense_matrix(lattice)[:100, :100], expected)


@pytest.mark.parametrize(
    'features',
    [torch.zeros(3), torch.zeros(2, 4, dtype=torch.float64), torch.zeros(2, 0)],
    ids=['one dimension', 'float64', 'empty'],
)
def test_refuses_other_features(features):
    with pytest.raises(ValueError, match=r'features: expected float32 \(d, N\)'):
        PermutohedralLattice.build(features)


def test_refuses_a_lattice_without_bounds():
    corners = torch.tensor(list(itertools.product([-1e6, 1e6], repeat=5))).t().contiguous()
    with pytest.raises(ValueError, match='less than 2\\^63 vertices'):
        PermutohedralLattice.build(corners)


@pytest.mark.parametrize('dims', [2, 3, 5])
def test_blur_of_many_columns_at_once_is_that_of_single_ones(dims):
    """Wide tables take two directions in one step; an odd number of directions leaves one."""
    lattice = PermutohedralLattice.build(torch.rand(dims, 300, generator=torch.manual_seed(0)) * 4)
    table = lattice.splat(torch.rand(300, 21, generator=torch.manual_seed(1)))
    single = torch.cat([lattice.blur(column) for column in table.split(1, dim=1)], dim=1)
    torch.testing.assert_close(lattice.blur(table), single, rtol=1e-6, atol=1e-7)
    assert not lattice.blur(table)[-1].any()
