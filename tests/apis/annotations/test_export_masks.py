"""Each format, read back from its description, gives the masks that were exported."""

from __future__ import annotations

import json
import runpy
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hard_masks import CLASSES, NAMES, miou
from parsing import parse
from PIL import Image

from weaktr_mmseg.apis.annotations import FORMATS, ExportOptions, export_masks
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.masks import write_mask

TOOL = Path(__file__).parents[3] / 'tools/export_masks.py'
CASES = [
    ('coco', 'rle'),
    ('coco', 'polygons'),
    ('yolo', 'polygons'),
    ('labelstudio', 'rle'),
    ('labelstudio', ' polygons'.strip()),  # as from a command line, not the constant itself
    ('cvat', 'rle'),
    ('cvat', 'polygons'),
    ('voc', None),
]


def read_back(photographs, to, path):
    """Label maps in what an export wrote, each region only where no other has painted."""
    sizes = {name: mask.shape for name, mask in photographs.truth.items()}
    found = parse(to, path, sizes)
    masks = {}
    for name, shapes in found.items():
        masks[name] = np.zeros(sizes[name], np.uint8)
        for label, pixels in shapes:
            masks[name][pixels] = CLASSES.index(label)
    return found, masks


def test_every_format_has_a_case():
    assert {to for to, _ in CASES} == set(FORMATS)


@pytest.mark.parametrize(('to', 'shapes'), CASES)
def test_unsimplified_regions_are_the_mask(photographs, tmp_path, to, shapes):
    done = photographs.export(tmp_path / 'out', to, shapes=shapes, tolerance=0)
    found, masks = read_back(photographs, to, done.path)
    assert sorted(masks) == sorted(NAMES)  # those of equal names in two folders, too
    assert done.images == len(NAMES)
    assert done.regions == sum(len(shapes) for shapes in found.values())
    for name in NAMES:
        assert (masks[name] == photographs.expected(name)).all(), name
        area = sum(pixels.sum() for _, pixels in found[name])
        assert area == np.count_nonzero(photographs.expected(name))  # nothing twice


@pytest.mark.parametrize(('to', 'shapes'), [case for case in CASES if case[0] != 'yolo'])
def test_one_region_for_each_class(photographs, tmp_path, to, shapes):
    done = photographs.export(tmp_path / 'out', to, per_class=True, shapes=shapes, tolerance=0)
    found, masks = read_back(photographs, to, done.path)
    for name in NAMES:
        assert (masks[name] == photographs.expected(name)).all(), name
        labels = [label for label, _ in found[name]]
        assert len(labels) == len(set(labels)) or shapes == 'polygons'


def test_bridges_join_the_parts_of_a_class_in_yolo(photographs, tmp_path):
    done = photographs.export(tmp_path / 'out', 'yolo', per_class=True, tolerance=0)
    found, masks = read_back(photographs, 'yolo', done.path)
    for name in NAMES[:3]:
        assert sorted(label for label, _ in found[name]) == sorted(CLASSES[1:])
        for label, pixels in found[name]:  # a bridge is one pixel wide where a reader draws edges
            truth = photographs.truth[name] == CLASSES.index(label)
            assert (truth <= pixels).all() and pixels.sum() < 1.6 * truth.sum()


@pytest.mark.parametrize(('to', 'shapes'), [case for case in CASES if case[1] == 'polygons'])
def test_simplified_polygons_stay_near_the_mask(photographs, tmp_path, to, shapes):
    done = photographs.export(tmp_path / 'out', to, min_area=20, shapes=shapes, tolerance=1.0)
    exact = photographs.export(tmp_path / 'exact', to, min_area=20, shapes=shapes, tolerance=0)
    _, masks = read_back(photographs, to, done.path)
    _, truth = read_back(photographs, to, exact.path)
    for name in NAMES:
        assert miou(truth[name], masks[name]) > 0.85, name  # some are lines of one pixel
    size = {
        folder: sum(f.stat().st_size for f in (tmp_path / folder).rglob('*') if f.suffix != '.yaml')
        for folder in ('out', 'exact')
    }
    assert size['out'] < 0.75 * size['exact']


@pytest.mark.parametrize(('to', 'shapes'), CASES)
def test_small_regions_are_left_out(photographs, tmp_path, to, shapes):
    done = photographs.export(tmp_path / 'out', to, min_area=30, shapes=shapes, tolerance=0)
    found, _ = read_back(photographs, to, done.path)
    areas = [pixels.sum() for shapes in found.values() for _, pixels in shapes]
    assert min(areas) >= 30 and done.regions == len(areas)


def test_yolo_lists_classes_as_yaml(photographs, tmp_path):
    import yaml

    done = photographs.export(tmp_path / 'out', 'yolo')
    content = yaml.safe_load(done.path.read_text(encoding='utf-8'))
    assert content['names'] == dict(enumerate(CLASSES[1:]))
    assert content['path'] == str((tmp_path / 'out').resolve())
    assert (tmp_path / 'out/labels/empty.txt').read_text(encoding='utf-8') == ''


@pytest.mark.parametrize('shapes', ['rle', 'polygons'])
def test_cvat_numbers_photographs_and_groups_parts(photographs, tmp_path, shapes):
    done = photographs.export(tmp_path / 'out', 'cvat', shapes=shapes, per_class=True)
    images = ET.parse(done.path).getroot().findall('image')
    assert [image.get('id') for image in images] == [str(i) for i in range(len(NAMES))]
    groups = Counter(
        (image.get('id'), node.get('group_id'))
        for image in images
        for node in image
        if node.get('group_id')
    )
    assert bool(groups) == (shapes == 'polygons') and 1 not in groups.values()


def test_label_studio_refers_to_photographs_by_the_prefix(photographs, tmp_path):
    done = photographs.export(tmp_path / 'out', 'labelstudio', url_prefix='https://host/x/')
    urls = [task['data']['image'] for task in json.loads(done.path.read_text(encoding='utf-8'))]
    assert 'https://host/x/a/photo.jpg' in urls
    assert 'https://host/x/%C3%BCn%C3%AF%20%26%20%3Cx%3E.jpg' in urls


def test_voc_keeps_unknown_pixels_and_limits_the_number_of_regions(photographs, tmp_path):
    photographs.export(tmp_path / 'out', 'voc')
    with Image.open(tmp_path / 'out/SegmentationClass/a/photo.png') as image:
        assert ((np.array(image) == 255) == (photographs.truth['a/photo.jpg'] == 255)).all()
    dots = np.zeros((60, 90), np.uint8)
    dots[::2, ::2] = 1
    write_mask(photographs.masks / 'a/photo.png', dots, [[0, 0, 0]] * 4)
    with pytest.raises(WeakTrInputError, match='at most 254 regions, got 1350'):
        photographs.export(tmp_path / 'dots', 'voc')
    photographs.export(tmp_path / 'dots', 'voc', per_class=True)


@pytest.mark.parametrize('to', ['yolo', 'voc'])
def test_two_photographs_never_share_a_file(tmp_path, to):
    for name in ('a.jpg', 'a.png'):
        write_mask(tmp_path / f'masks/{name}.png', np.ones((4, 4), np.uint8), [[0, 0, 0]] * 2)
        (tmp_path / 'images').mkdir(exist_ok=True)
        Image.new('RGB', (4, 4)).save(tmp_path / 'images' / name)
    arguments = (tmp_path / 'masks', tmp_path / 'images', tmp_path / 'out')
    options = ExportOptions(['background', 'x'])
    with pytest.raises(WeakTrInputError, match=r"'a\.jpg' and 'a\.png' differ in their suffix"):
        export_masks(*arguments, to, options)
    found = parse('coco', export_masks(*arguments, 'coco', options).path, {})
    assert sorted(found) == ['a.jpg', 'a.png']


def test_photographs_turned_by_exif_have_their_upright_size(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    (tmp_path / 'images').mkdir()
    Image.new('RGB', (9, 5)).save(tmp_path / 'images/t.jpg', exif=turned)
    write_mask(tmp_path / 'masks/t.png', np.ones((9, 5), np.uint8), [[0, 0, 0]] * 2)
    options = ExportOptions(['background', 'x'])
    done = export_masks(tmp_path / 'masks', tmp_path / 'images', tmp_path / 'out', 'coco', options)
    (image,) = json.loads(done.path.read_text(encoding='utf-8'))['images']
    assert (image['height'], image['width']) == (9, 5)


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, 'argv', ['export_masks.py', *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(TOOL), run_name='__main__')
    return exit_.value.code


def test_tool(photographs, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'out'
    (photographs.masks.parent / 'classes.txt').write_text('\n'.join(CLASSES[1:]), encoding='utf-8')
    arguments = (photographs.masks, '--images', photographs.images, '--out', out)
    code = run(monkeypatch, *arguments, '--to', 'yolo', '--copy-images', '--min-area', 20)
    assert code == 0
    assert capsys.readouterr().out.startswith(f'{len(NAMES)} photographs, ')
    copies = {path.relative_to(out / 'images').as_posix() for path in out.rglob('images/**/*.*')}
    assert copies == set(NAMES)
    assert run(monkeypatch, *arguments, '--to', 'yolo', '--copy-images') == 0  # onto themselves


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--to', 'pascal'], "format: expected coco, yolo, labelstudio, cvat, voc, got 'pascal'"),
        (['--to', 'yolo', '--rle'], "expected polygons for this format, got 'rle'"),
        (['--to', 'coco', '--tolerance', '-1'], 'expected a minimum area and a tolerance'),
        (['--to', 'coco', '--classes', 'x'], 'expected labels 0..1'),
        (['--to', 'voc', '--classes', 'a:b', 'c', 'd'], "class 'a:b': a colon ends each name"),
        (['--to', 'coco', '--classes', 'a', 'a', 'b'], "'a' occurs twice"),
        (['--to', 'coco', '--classes', 'absent.txt'], 'absent.txt'),
        (['--to', 'coco', '--images', '{images}/a'], '4 of 4 masks'),
    ],
)
def test_tool_says_what_is_wrong_in_one_line(
    photographs, tmp_path, monkeypatch, capsys, arguments, message
):
    arguments = [item.format(images=photographs.images) for item in arguments]
    common = ['--images', photographs.images, '--out', tmp_path / 'out', '--classes', 'a', 'b', 'c']
    assert run(monkeypatch, photographs.masks, *common, *arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ') and message in error


def test_a_mask_of_another_size_is_refused(photographs, tmp_path):
    Image.new('RGB', (7, 8)).save(photographs.images / 'a/photo.jpg')
    with pytest.raises(WeakTrInputError, match=r'photo\.png: expected the size 7 x 8 of .*photo'):
        photographs.export(tmp_path / 'out', 'cvat')
