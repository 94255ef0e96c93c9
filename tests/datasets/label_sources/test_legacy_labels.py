from __future__ import annotations

import pickle

import numpy as np
import pytest

from weaktr_mmseg.datasets.label_sources.legacy_labels import (
    cls_labels,
    read_pickled_arrays,
)
from weaktr_mmseg.datasets.label_sources.rows import ForegroundClasses
from weaktr_mmseg.datasets.label_sources.sources import read_image_labels

CLASSES = ForegroundClasses(['background', 'cat', 'dog', 'cow'])


def save(path, content, protocol=4):
    """Write what ``np.save`` writes for a dictionary, with a chosen pickle protocol."""
    with open(path, 'wb') as file:
        np.lib.format.write_array_header_1_0(file, dict(descr='|O', fortran_order=False, shape=()))
        wrapped = np.empty((), object)
        wrapped[()] = content
        pickle.dump(wrapped, file, protocol=protocol)
    return str(path)


def read(path):
    return read_image_labels(dict(type='cls_labels', path=str(path)), CLASSES)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('dtype', ['float32', '>f8', 'int64', 'uint8', 'bool'])
def test_every_protocol(tmp_path, protocol, dtype):
    path = save(
        tmp_path / 'a.npy',
        {'x': np.array([1, 0, 1]).astype(dtype), 'y': np.array([0, 0, 0]).astype(dtype)},
        protocol,
    )
    assert np.load(path, allow_pickle=True).item()['x'].tolist() == [1, 0, 1]
    assert read(path) == {'x': [0, 2], 'y': []}


def test_file_of_np_save(tmp_path):
    np.save(tmp_path / 'a.npy', {'2007_1.jpg': [0, 1, 0], 7: np.ones(3)})
    assert read(tmp_path / 'a.npy') == {'2007_1.jpg': [1], '7': [0, 1, 2]}


def test_values_survive(tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    path = save(tmp_path / 'a.npy', {'c': array, 'f': np.asfortranarray(array), 's': np.int16(3)})
    content = read_pickled_arrays(path)
    np.testing.assert_array_equal(content['c'], array)
    np.testing.assert_array_equal(content['f'], array)
    assert content['s'] == 3


class Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    'function,arguments,name',
    [
        (eval, ('open("PWNED", "w")',), 'builtins.eval'),
        (open, ('PWNED', 'w'), 'io.open'),
        (np.load, ('PWNED',), 'numpy'),
        (getattr, (dict, 'x'), 'builtins.dict'),
        (getattr, ('x', 'format'), 'attribute format'),
    ],
)
def test_nothing_is_executed(tmp_path, monkeypatch, function, arguments, name):
    monkeypatch.chdir(tmp_path)
    path = save('a.npy', {'x': Attack(function, *arguments)})
    with pytest.raises(
        ValueError, match=rf'a\.npy: its pickle is .*it asks for .*{name.split(".")[-1]}'
    ):
        cls_labels(path, CLASSES)
    assert not (tmp_path / 'PWNED').exists()


@pytest.mark.parametrize('content', [{'x': np.array(['a'])}, {'x': np.array([None], object)}])
def test_only_numbers(tmp_path, content):
    with pytest.raises(ValueError, match=r'a\.npy: '):
        cls_labels(save(tmp_path / 'a.npy', content), CLASSES)


def test_no_dictionary(tmp_path):
    np.save(tmp_path / 'numbers.npy', np.zeros(3))
    with pytest.raises(ValueError, match=r'numbers\.npy: .*not a dictionary'):
        cls_labels(str(tmp_path / 'numbers.npy'), CLASSES)
    with pytest.raises(ValueError, match=r'list\.npy: .*not a dictionary'):
        cls_labels(save(tmp_path / 'list.npy', [1]), CLASSES)
    (tmp_path / 'junk.npy').write_bytes(b'junk')
    with pytest.raises(ValueError, match=r'junk\.npy: '):
        cls_labels(str(tmp_path / 'junk.npy'), CLASSES)
    with pytest.raises(FileNotFoundError, match='label file not found'):
        cls_labels(str(tmp_path / 'none.npy'), CLASSES)


def test_length(tmp_path):
    path = save(tmp_path / 'a.npy', {'x': np.ones(4)})
    with pytest.raises(ValueError, match=r"label of 'x' has shape \(4,\), expected \(3,\)"):
        cls_labels(path, CLASSES)
    coco = ForegroundClasses([str(i) for i in range(81)])
    path = save(tmp_path / 'a.npy', {'x': np.ones(90)})
    with pytest.raises(ValueError, match=r'\(90,\).*COCO category ids with gaps'):
        cls_labels(path, coco)
