from __future__ import annotations

import pytest
import torch

from weaktr_mmseg.checkpoints.names import NameTable, UnknownLayoutError, affine, count_layers

TABLE = NameTable((('token', 'cls'), *affine('blocks.*.norm', 'layers.*.ln')), ('head.*',))


def state(*names: str) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(1) for name in names}


ALL = ('token', *(f'blocks.{i}.norm.{part}' for i in (0, 1) for part in ('weight', 'bias')))


def test_renames_every_layer_and_leaves_out_what_is_unused():
    renamed = TABLE.rename(state(*ALL, 'head.weight'))
    layers = [f'layers.{i}.ln.{part}' for i in (0, 1) for part in ('weight', 'bias')]
    assert sorted(renamed) == sorted(['cls', *layers])


def test_inverse_undoes():
    renamed = TABLE.rename(state(*ALL))
    assert set(TABLE.inverse().rename(renamed)) == set(ALL)


def test_prefixes():
    table = TABLE.prefixed('encoder.', 'backbone.')
    names = [f'encoder.{name}' for name in (*ALL, 'head.weight')]
    assert all(name.startswith('backbone.') for name in table.rename(state(*names)))


def test_names_what_does_not_fit():
    with pytest.raises(UnknownLayoutError, match=r'^unknown extra; missing token$'):
        TABLE.rename(state(*ALL[1:], 'extra'))


def test_names_a_missing_layer():
    with pytest.raises(UnknownLayoutError, match=r'missing blocks\.1\.norm\.bias$'):
        TABLE.rename(state(*ALL[:-1]))


def test_shows_the_first_keys_only():
    surplus = [f'x{i}' for i in range(8)]
    with pytest.raises(UnknownLayoutError, match=r'unknown x0, x1, x2, x3, x4 and 3 more'):
        TABLE.rename(state(*ALL, *surplus))


@pytest.mark.parametrize(('names', 'count'), [(['a.0.x', 'a.11.x', 'b.20.x'], 12), ([], 1)])
def test_count_layers(names, count):
    assert count_layers(names, 'a.') == count
