"""Corrected annotations come back as masks."""

from __future__ import annotations

import json
import runpy
import sys
import zipfile
from pathlib import Path

import pytest
from hard_masks import CLASSES, NAMES

from weaktr_mmseg.apis.annotations import import_masks, read_annotations
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.masks import read_mask

TOOL = Path(__file__).parents[3] / 'tools/import_masks.py'
PETS = ['background', 'cat', 'dog']


@pytest.mark.parametrize('to', ['coco', 'cvat'])
@pytest.mark.parametrize('shapes', ['rle', 'polygons'])
def test_what_was_exported_comes_back(photographs, tmp_path, to, shapes):
    done = photographs.export(tmp_path / 'out', to, shapes=shapes, tolerance=0)
    found = dict(read_annotations(done.path, CLASSES))
    assert sorted(found) == sorted(NAMES)
    for name, mask in found.items():
        assert (mask == photographs.expected(name)).all()


def test_masks_in_a_folder(photographs, tmp_path):
    done = photographs.export(tmp_path / 'out', 'cvat')
    with zipfile.ZipFile(tmp_path / 'task.zip', 'w') as archive:  # as CVAT exports it
        archive.write(done.path, 'annotations.xml')
        archive.writestr('images/a.jpg', b'')
    masks = tmp_path / 'masks'
    result = import_masks(tmp_path / 'task.zip', masks, CLASSES, photographs.images)
    assert sorted(result.masks) == sorted(NAMES[:3]) and result.without_shapes == ['empty.jpg']
    for name in NAMES[:3]:
        mask = read_mask((masks / name).with_suffix('.png'))
        assert (mask == photographs.expected(name)).all()
    assert not (masks / 'empty.png').exists()
    kept = import_masks(tmp_path / 'task.zip', masks, CLASSES, keep_empty=True)
    assert 'empty.jpg' in kept.masks and not read_mask(masks / 'empty.png').any()


def square(left, top, side, label, **attributes):
    right, bottom = left + side, top + side
    points = f'{left},{top};{right},{top};{right},{bottom};{left},{bottom}'
    more = ' '.join(f'{key}="{value}"' for key, value in attributes.items())
    return f'<polygon label="{label}" points="{points}" {more}/>'


def cvat(*shapes, name='a.jpg', size=8):
    image = f'<image id="0" name="{name}" width="{size}" height="{size}">{"".join(shapes)}</image>'
    return f'<annotations><version>1.1</version>{image}</annotations>'


def read(tmp_path, text, name='file.xml', classes=PETS):
    (tmp_path / name).write_text(text, encoding='utf-8')
    return dict(read_annotations(tmp_path / name, classes))


def test_order_of_cvat_shapes(tmp_path):
    big, small = square(0, 0, 6, 'cat', z_order=1), square(2, 2, 2, 'dog', z_order=0)
    assert not (read(tmp_path, cvat(big, small))['a.jpg'] == 2).any()
    over = square(2, 2, 2, 'dog', z_order=1)
    assert (read(tmp_path, cvat(big, over))['a.jpg'] == 2).sum() == 4


def test_ignore_and_background_are_labels(tmp_path):
    shapes = square(0, 0, 6, 'cat'), square(0, 0, 2, 'background'), square(4, 4, 2, 'ignore')
    mask = read(tmp_path, cvat(*shapes, '<tag label="dog"/>'))['a.jpg']
    assert [(mask == label).sum() for label in (0, 1, 2, 255)] == [64 - 32, 28, 0, 4]
    named = read(tmp_path, cvat(*shapes), classes=['background', 'cat', 'ignore'])['a.jpg']
    assert (named == 2).sum() == 4


def coco(*annotations, size=8):
    return json.dumps(
        dict(
            images=[dict(id=7, file_name='s\\a.jpg', height=size, width=size)],
            annotations=[dict(id=i, image_id=7, **entry) for i, entry in enumerate(annotations)],
            categories=[dict(id=3, name='dog'), dict(id=9, name='cat'), dict(id=1, name='cow')],
        )
    )


def box(left, top, side):
    right, bottom = left + side, top + side
    return [[left, top, right, top, right, bottom, left, bottom]]


def test_coco_by_name_with_the_smallest_on_top(tmp_path):
    dog = dict(category_id=3, segmentation=box(2, 2, 2))
    cat = dict(category_id=9, segmentation=box(0, 0, 6))
    runs = dict(category_id=3, segmentation=dict(size=[8, 8], counts=[62, 2]))
    for order in ((dog, cat, runs), (runs, cat, dog)):
        mask = read(tmp_path, coco(*order), 'file.json')['s/a.jpg']
        assert (mask == 1).sum() == 32 and (mask == 2).sum() == 4 + 2
        assert (mask[2:4, 2:4] == 2).all() and (mask[6:, 7] == 2).all()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (cvat(square(0, 0, 2, 'ccat')), r"file\.xml, a\.jpg: label 'ccat'.*did you mean 'cat'"),
        (cvat('<box label="cat"/>'), 'expected masks and polygons, got a box'),
        (cvat('<polygon label="cat" points="1,2;3"/>'), 'expected polygons or run lengths'),
        (cvat('<polygon label="cat" points="1,2;3,4;5,nan"/>'), 'expected polygons'),
        (
            cvat('<mask label="cat" rle="1,2" left="0" top="0" width="2" height="2"/>'),
            'expected 2 x 2 pixels together, got 3',
        ),
        (
            cvat('<mask label="cat" rle="0,4" left="7" top="0" width="2" height="2"/>'),
            'leaves the image',
        ),
        (cvat('<mask label="cat"/>'), 'mask: '),
        (
            cvat(square(0, 0, 2, 'cat', z_order='up')),
            'z_order: expected a whole number',
        ),
        ('<annotations><image id="0"/></annotations>', 'expected name, width and height'),
        ('<annotations><track/></annotations>', 'with tracks of a video'),
        ('<annotation/>', "expected 'CVAT for images 1.1', got <annotation>"),
        ('<!DOCTYPE x [<!ENTITY e "x">]>' + cvat(), 'DOCTYPE'),
        ('<annotations>', r'file\.xml: no element found'),
    ],
)
def test_wrong_cvat_files(tmp_path, text, message):
    with pytest.raises(WeakTrInputError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (coco(dict(category_id=1, segmentation=box(0, 0, 2))), "label 'cow' is not in the class"),
        (coco(dict(category_id=5, segmentation=box(0, 0, 2))), 'category_id 5'),
        (coco(dict(category_id=3)), r'annotation 0 of s.*a\.jpg: expected polygons'),
        (coco(dict(category_id=3, segmentation=[])), 'it has no polygon'),
        (coco(dict(category_id=3, segmentation=[[1, 2, 3, 4]])), 'a polygon has 4 numbers'),
        (coco(dict(category_id=3, segmentation=dict(size=[9, 8], counts=[72]))), r'size is \[9, 8'),
        (coco(dict(category_id=3, segmentation=dict(size=[8, 8], counts=[3]))), 'add up to 3'),
        ('{}', "expected COCO instances .*'categories'"),
        ('{', 'expected COCO instances'),
    ],
)
def test_wrong_coco_files(tmp_path, text, message):
    with pytest.raises(WeakTrInputError, match=message):
        read(tmp_path, text, 'file.json')


def test_other_files(tmp_path):
    with pytest.raises(WeakTrInputError, match=r'expected COCO instances \(\.json\), CVAT'):
        read(tmp_path, '', 'file.txt')
    with pytest.raises(WeakTrInputError, match=r'absent\.json'):
        dict(read_annotations(tmp_path / 'absent.json', PETS))
    with pytest.raises(WeakTrInputError, match='not a zip file'):
        read(tmp_path, '', 'file.zip')
    with zipfile.ZipFile(tmp_path / 'two.zip', 'w') as archive:
        archive.writestr('a.json', '{}')
        archive.writestr('b.json', '{}')
    with pytest.raises(WeakTrInputError, match=r'expected one \.json or \.xml in it, found 2'):
        dict(read_annotations(tmp_path / 'two.zip', PETS))


@pytest.mark.parametrize('name', ['../a.jpg', '/a.jpg', 'x\\..\\..\\a.jpg'])
def test_names_cannot_leave_the_folder(tmp_path, name):
    (tmp_path / 'file.xml').write_text(cvat(square(0, 0, 2, 'cat'), name=name), encoding='utf-8')
    with pytest.raises(WeakTrInputError, match='leads out of the folder'):
        import_masks(tmp_path / 'file.xml', tmp_path / 'out/deep', PETS)
    assert not list(tmp_path.rglob('*.png'))


def test_two_photographs_never_share_a_mask(tmp_path):
    image = cvat(square(0, 0, 2, 'cat'))
    twice = image.replace('</annotations>', '') + image[image.index('<image') :].replace(
        'jpg', 'png'
    )
    (tmp_path / 'file.xml').write_text(twice, encoding='utf-8')
    with pytest.raises(WeakTrInputError, match=r"'a\.jpg' and 'a\.png' would have one mask"):
        import_masks(tmp_path / 'file.xml', tmp_path / 'out', PETS)


def test_tool(photographs, tmp_path, monkeypatch, capsys):
    done = photographs.export(tmp_path / 'out', 'coco')

    def run(*arguments) -> int:
        monkeypatch.setattr(sys, 'argv', ['import_masks.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            runpy.run_path(str(TOOL), run_name='__main__')
        return exit_.value.code

    common = ('--classes', *CLASSES, '--out', tmp_path / 'masks')
    assert run(done.path, *common, '--images', photographs.images) == 0
    assert capsys.readouterr().out.splitlines() == [
        f'3 masks in {tmp_path / "masks"}',
        '1 photographs without shapes have none',
    ]
    (photographs.images / NAMES[1]).unlink()
    assert run(done.path, *common, '--images', photographs.images) == 2
    assert 'photo.png: no such photograph' in capsys.readouterr().err
