"""Whatever stands in a file, readers give a result or say in one line what is wrong with it.

Files are mutations of valid ones and arbitrary bytes. A reader may raise ``ValueError`` or
``FileNotFoundError`` only, must name the file, and must leave no other file behind.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weaktr_mmseg.datasets.file_index import read_split
from weaktr_mmseg.datasets.label_sources.sources import read_image_labels
from weaktr_mmseg.pseudo_labels.cam_files import read_cams, write_cams
from weaktr_mmseg.utils.images import read_rgb
from weaktr_mmseg.utils.masks import read_mask

hypothesis = pytest.importorskip('hypothesis')
st = hypothesis.strategies

CLASSES = ['background', 'cat', 'dog']
EXAMPLES = 150
COCO = dict(
    images=[dict(id=1, file_name='a.jpg'), dict(id=2, file_name='b.jpg')],
    annotations=[dict(id=1, image_id=1, category_id=3, bbox=[1, 2, 3, 4], area=12.5)],
    categories=[dict(id=3, name='cat'), dict(id=4, name='dog')],
)


def labels_from(source):
    return lambda path: read_image_labels(dict(type=source, path=str(path)), CLASSES)


def voc(path):
    labels = dict(type='voc_xml', path=str(path.parent))
    return read_image_labels(labels, CLASSES, [path.stem])


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format='PNG')
    return file.getvalue()


def cam_file():
    with tempfile.TemporaryDirectory() as folder:
        write_cams(Path(folder) / 'x.npz', np.ones((2, 3, 4)), [0, 1], ['cat', 'dog'], 'hash')
        return (Path(folder) / 'x.npz').read_bytes()


READERS = {
    'manifest.csv': (labels_from('manifest'), b'image,labels\na.jpg,cat;dog\n"b,1.jpg",dog\n'),
    'manifest.json': (labels_from('manifest'), b'{"a.jpg": ["cat", "dog"], "b.jpg": []}'),
    'list.json': (labels_from('manifest'), b'[{"image": "a.jpg", "labels": ["cat"]}]'),
    'coco.json': (labels_from('coco_json'), json.dumps(COCO).encode()),
    'voc.xml': (
        voc,
        b'<?xml version="1.0" encoding="utf-8"?><annotation><object><name>cat</name>'
        b'<part><name>head</name></part></object></annotation>',
    ),
    'split.txt': (read_split, b'a\nb.jpg\n\nsub/c\n'),
    'cams.npz': (read_cams, cam_file()),
    'mask.png': (read_mask, png(np.arange(12, dtype=np.uint8).reshape(3, 4))),
    'image.png': (read_rgb, png(np.zeros((3, 4, 3), np.uint8))),
}  # fmt: skip
PIECES = [
    b'', b'\0', b'\xff\xfe', b'"', b';', b',', b'\n', b'[', b'{', b'<', b'&', b'<a>', b'</a>',
    b'-1', b'1e999', b'9' * 5000, b'null', b'true', b'NaN', b'\xe2\x80\xa8', b'[' * 9000,
    b'"' + b'x' * 200_000, b'<a>' * 9000, b'../' * 9, b'<!DOCTYPE x>', b'encoding="utf-7"',
    b'encoding="x"', b'\xff' * 64,
]  # fmt: skip


@st.composite
def mutations(draw, content):
    """Replaces parts of a valid file by other parts, by pieces that hurt, or by anything."""
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        a, b = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        piece = draw(
            st.one_of(st.sampled_from(PIECES), st.binary(max_size=8), st.just(content[a:b]))
        )
        content = content[:start] + piece + content[end:]
    return content


def check(name, content):
    read, _ = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            read(path)
        except (ValueError, FileNotFoundError) as error:
            assert name in str(error) or str(path.parent) in str(error), error
        assert [file.name for file in Path(folder).iterdir()] == [name]
        assert path.read_bytes() == content


@pytest.mark.parametrize('name', READERS)
def test_valid_file(name, tmp_path):
    read, content = READERS[name]
    (tmp_path / name).write_bytes(content)
    assert len(read(tmp_path / name))


@pytest.mark.parametrize('name', READERS)
def test_damaged_file(name):
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=60_000,  # milliseconds: no file may make a reader hang
    )
    strategy = st.one_of(mutations(READERS[name][1]), st.binary(max_size=64))
    settings(hypothesis.given(strategy)(lambda content: check(name, content)))()


@pytest.mark.parametrize('name', READERS)
@pytest.mark.parametrize('piece', PIECES)
def test_pieces_that_hurt(name, piece):
    _, content = READERS[name]
    check(name, piece)
    check(name, content + piece)
    check(name, content[: len(content) // 2] + piece + content[len(content) // 2 :])


BOMB = ''.join(
    f'<!ENTITY a{level} "{f"&a{level - 1};" * 10 if level else "lol"}">' for level in range(10)
)
EXTERNAL = '<!ENTITY a9 SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize('entities', [BOMB, EXTERNAL, ''])
def test_xml_with_entities_is_refused(tmp_path, entities):
    """A billion laughs, and a look at another file."""
    (tmp_path / 'voc.xml').write_text(
        f'<!DOCTYPE annotation [{entities}]>'
        '<annotation><object><name>&a9;</name></object></annotation>',
        encoding='utf-8',
    )
    with pytest.raises(ValueError, match=r'voc\.xml: XML with a document type .* is refused'):
        voc(tmp_path / 'voc.xml')


def test_maps_that_would_not_fit_into_memory_are_refused(tmp_path):
    """A few hundred bytes that declare an array of 4 exabytes."""
    header = "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 1073741824, 1073741824), }"
    content = cam_file()
    with np.load(io.BytesIO(content)) as arrays:
        members = {name: arrays[name] for name in arrays.files if name != 'cams'}
    with zipfile.ZipFile(tmp_path / 'x.npz', 'w') as archive:
        for name, array in members.items():
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f'{name}.npy', file.getvalue())
        padded = (header + ' ' * (118 - len(header) - 1) + '\n').encode()
        archive.writestr('cams.npy', b'\x93NUMPY\x01\x00' + bytes([118, 0]) + padded)
    with pytest.raises(ValueError, match=r'x\.npz: expected a CAM file'):
        read_cams(tmp_path / 'x.npz')


def test_image_that_would_not_fit_into_memory_is_refused(tmp_path):
    """A PNG of a few hundred bytes with 40,000 x 40,000 pixels in its header."""
    content = bytearray(png(np.zeros((3, 4, 3), np.uint8)))
    content[16:24] = (40_000).to_bytes(4, 'big') * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, 'big')
    for name, read in (('image.png', read_rgb), ('mask.png', read_mask)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name):
            read(tmp_path / name)
