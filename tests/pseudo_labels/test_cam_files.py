from __future__ import annotations

import os
import pickle
import stat

import numpy as np
import pytest
from PIL import Image

from weaktr_mmseg.pseudo_labels.cam_files import read_cams, write_cams
from weaktr_mmseg.utils.files import atomic_path
from weaktr_mmseg.utils.masks import read_mask, write_mask

from looping import some

PALETTE = [(0, 0, 0), (200, 10, 10), (10, 200, 10)]


@pytest.fixture
def cams():
    return np.random.default_rng(0).random((2, 5, 7), dtype=np.float32)


@pytest.fixture
def cam_path(tmp_path, cams):
    path = tmp_path / 'sub' / 'a.npz'
    write_cams(path, cams, [3, 0], ['dog', 'cat'], 'abc')
    return path


def test_cams_come_back(cam_path, cams):
    content = read_cams(cam_path)
    assert content.cams.dtype == np.float32
    np.testing.assert_array_equal(content.cams, cams.astype(np.float16))
    assert content.class_ids.tolist() == [3, 0]
    assert content.class_names == ('dog', 'cat')
    assert content.config_hash == 'abc'


@pytest.mark.parametrize('scores', [None, [0.25, 0.5, 0.75]])
def test_class_scores_come_back_where_they_are_known(tmp_path, cams, scores):
    write_cams(tmp_path / 'a.npz', cams, [3, 0], ['dog', 'cat'], class_scores=scores)
    found = read_cams(tmp_path / 'a.npz').class_scores
    assert found is None if scores is None else found.tolist() == scores


def test_image_without_classes(tmp_path):
    write_cams(tmp_path / 'a.npz', np.zeros((0, 4, 6), np.float32), [], [])
    content = read_cams(tmp_path / 'a.npz')
    assert content.cams.shape == (0, 4, 6)
    assert (len(content.class_ids), content.class_names) == (0, ())


def test_refuses_to_write_unequal_lengths(tmp_path, cams):
    with pytest.raises(ValueError, match=r'a\.npz: expected as many maps .* got 2, 2 and 1'):
        write_cams(tmp_path / 'a.npz', cams, [0, 1], ['cat'])
    assert not any(tmp_path.iterdir())


def test_torn_file_is_refused_wherever_it_ends(cam_path):
    whole = cam_path.read_bytes()
    for length in some(range(0, len(whole), 41)):
        cam_path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r'a\.npz: expected a CAM file'):
            read_cams(cam_path)


def test_damaged_file_never_raises_anything_else(cam_path):
    whole = cam_path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        cam_path.write_bytes(damaged)
        try:
            read_cams(cam_path)
        except ValueError as error:
            refused += 1
            assert str(error).startswith(f'{cam_path}: expected')
    assert refused > 100


class _Harmful:
    def __reduce__(self):
        return pytest.fail, ('a pickle was executed',)


def _save_objects(path):
    objects = np.empty(1, object)
    objects[0] = _Harmful()
    np.savez(path, cams=objects, class_ids=[0], class_names=['a'], config_hash='')


@pytest.mark.parametrize(
    'write',
    [
        lambda path: path.write_text('not an archive', encoding='utf-8'),
        lambda path: path.write_bytes(pickle.dumps(_Harmful())),
        lambda path: np.save(path.open('wb'), np.zeros(3)),
        lambda path: np.savez(path, other=np.zeros(3)),
        lambda path: np.savez(path, cams=['x'], class_ids=[0], class_names=['a'], config_hash=''),
        _save_objects,
    ],
    ids=['text', 'pickle', 'npy', 'other arrays', 'strings', 'object arrays'],
)
def test_foreign_file_is_refused(tmp_path, write):
    path = tmp_path / 'a.npz'
    write(path)
    with pytest.raises(ValueError, match=r'a\.npz: expected a CAM file'):
        read_cams(path)


@pytest.mark.parametrize(
    ('shape', 'names', 'message'),
    [
        ((2, 4), ['a', 'b'], r'got \(2, 4\)'),
        ((3, 4, 4), ['a', 'b'], r'got \(3, 4, 4\), \(2,\) and 2 names'),
    ],
)
def test_inconsistent_arrays_are_refused(tmp_path, shape, names, message):
    path = tmp_path / 'a.npz'
    np.savez(path, cams=np.zeros(shape), class_ids=[0, 1], class_names=names, config_hash='')
    with pytest.raises(ValueError, match=r'a\.npz: expected maps \(K, H, W\).*' + message):
        read_cams(path)


@pytest.mark.parametrize('read', [read_cams, read_mask])
def test_missing_file(tmp_path, read):
    with pytest.raises(FileNotFoundError, match='nothing'):
        read(tmp_path / 'nothing.npz')


@pytest.mark.parametrize('before', [None, b'old'])
def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, before):
    path = tmp_path / 'a.npz'
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(RuntimeError, match='disk full'), atomic_path(path) as temporary:
        temporary.write_bytes(b'half')
        raise RuntimeError('disk full')
    assert [file.read_bytes() for file in tmp_path.iterdir()] == (
        [] if before is None else [before]
    )


def test_failed_compression_leaves_the_old_maps(cam_path, cams, monkeypatch):
    def fail(file, **arrays):
        file.write(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(np, 'savez_compressed', fail)
    with pytest.raises(OSError, match='disk full'):
        write_cams(cam_path, cams, [0, 1], ['cat', 'cow'])
    assert read_cams(cam_path).class_names == ('dog', 'cat')
    assert list(cam_path.parent.iterdir()) == [cam_path]


def test_target_stays_intact_while_the_new_file_is_written(cam_path):
    old = cam_path.read_bytes()
    with atomic_path(cam_path) as temporary:
        temporary.write_bytes(b'new')
        assert cam_path.read_bytes() == old
        assert temporary.parent == cam_path.parent
    assert cam_path.read_bytes() == b'new'


def test_files_have_the_usual_permissions(tmp_path):
    mask = os.umask(0o027)
    try:
        with atomic_path(tmp_path / 'a.png') as temporary:
            temporary.touch()
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / 'a.png').stat().st_mode) == 0o640


def test_mask_comes_back_with_palette(tmp_path):
    mask = np.array([[0, 1, 255], [2, 0, 1]], np.uint8)
    path = tmp_path / 'sub' / 'a.png'
    write_mask(path, mask, PALETTE)
    np.testing.assert_array_equal(read_mask(path), mask)
    with Image.open(path) as image:
        assert image.mode == 'P'
        colours = np.array(image.convert('RGB'))
    assert tuple(colours[1, 0]) == PALETTE[2]
    assert tuple(colours[0, 2]) == (224, 224, 224)


def test_mask_of_strided_memory(tmp_path):
    mask = np.arange(24, dtype=np.uint8).reshape(4, 6)[:, ::-2].T
    write_mask(tmp_path / 'a.png', mask, PALETTE)
    np.testing.assert_array_equal(read_mask(tmp_path / 'a.png'), mask)


def test_grayscale_mask_is_read(tmp_path):
    Image.fromarray(np.array([[3, 255]], np.uint8)).save(tmp_path / 'a.png')
    assert read_mask(tmp_path / 'a.png').tolist() == [[3, 255]]


@pytest.mark.parametrize(
    ('pixels', 'mode'),
    [(np.zeros((4, 4, 3), np.uint8), 'RGB'), (np.zeros((4, 4), np.uint16), 'I;16')],
)
def test_image_that_is_no_mask_is_refused(tmp_path, pixels, mode):
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    with pytest.raises(ValueError, match=rf'a\.png: expected one 8-bit channel .* mode {mode}'):
        read_mask(tmp_path / 'a.png')


@pytest.mark.parametrize('keep', [0, 20, 60])
def test_torn_mask_is_refused(tmp_path, keep):
    path = tmp_path / 'a.png'
    write_mask(path, np.random.default_rng(0).integers(0, 3, (40, 40), dtype=np.uint8), PALETTE)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r'a\.png: expected a mask \(PNG\), could not read it'):
        read_mask(path)
