"""Each format, read by the library that people read it with, where that is installed."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hard_masks import CLASSES, NAMES
from parsing import even_odd

from weaktr_mmseg.apis.annotations import ExportOptions, export_masks
from weaktr_mmseg.apis.annotations.regions import find_regions


@pytest.mark.parametrize('shapes', ['rle', 'polygons'])
def test_pycocotools(photographs, tmp_path, shapes):
    coco_module = pytest.importorskip('pycocotools.coco')
    done = photographs.export(tmp_path / 'out', 'coco', shapes=shapes, tolerance=0)
    coco = coco_module.COCO(str(done.path))
    names = {category['id']: category['name'] for category in coco.loadCats(coco.getCatIds())}
    assert names == dict(enumerate(CLASSES[1:], start=1))
    for image in coco.loadImgs(coco.getImgIds()):
        mask = np.zeros((image['height'], image['width']), np.uint8)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image['id'])):
            pixels = coco.annToMask(annotation)
            assert pixels.sum() == annotation['area']
            ys, xs = np.nonzero(pixels)
            box = [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
            assert box == annotation['bbox']
            mask[pixels > 0] = annotation['category_id']
        assert (mask == photographs.expected(image['file_name'])).all()


def test_ultralytics(photographs, tmp_path):
    utils = pytest.importorskip('ultralytics.data.utils')
    photographs.export(tmp_path / 'out', 'yolo', tolerance=0)
    for name in NAMES:
        expected = photographs.expected(name)
        label = (tmp_path / 'out/labels' / name).with_suffix('.txt')
        image = photographs.images / name
        arguments = (str(image), str(label), '', False, len(CLASSES) - 1, 0, 0, False)
        _, found, shape, segments, _, missing, _, empty, corrupt, message = (
            utils.verify_image_label(arguments)
        )
        assert (missing, corrupt, message) == (0, 0, '') and shape == expected.shape
        assert empty == (name == 'empty.jpg')
        mask = np.zeros(shape, np.uint8)
        for (class_id, *_), segment in zip(found, segments):
            ring = (segment * shape[::-1]).ravel()
            mask[utils.polygon2mask(shape, [ring]) > 0] = int(class_id) + 1
        assert (mask == expected).all()


def test_supervision(photographs, tmp_path):
    """Which rounds where Ultralytics cuts: a region may gain a pixel at its right and below."""
    sv = pytest.importorskip('supervision')
    out, options = tmp_path / 'out', ExportOptions(CLASSES, tolerance=0)
    folders = (photographs.masks / 'a', photographs.images / 'a', out)
    done = export_masks(*folders, 'yolo', options, copy_images=True)
    data = sv.DetectionDataset.from_yolo(
        str(out / 'images'), str(out / 'labels'), str(done.path), force_masks=True
    )
    assert list(data.classes) == CLASSES[1:]
    ((_, _, detections),) = list(data)
    regions = find_regions(photographs.truth['a/photo.jpg'])
    assert len(detections) == len(regions)
    for region, pixels, class_id in zip(regions, detections.mask, detections.class_id):
        assert class_id + 1 == region.class_id
        expected = np.zeros(photographs.truth['a/photo.jpg'].shape, np.uint8)
        region.paint(expected, 1)
        grown = cv2.dilate(expected, np.ones((2, 2), np.uint8), anchor=(1, 1))
        assert (expected <= pixels).all() and (pixels <= grown).all()


@pytest.mark.parametrize('shapes', ['rle', 'polygons'])
def test_label_studio(photographs, tmp_path, shapes):
    converter = pytest.importorskip('label_studio_sdk.converter')
    done = photographs.export(tmp_path / 'out', 'labelstudio', shapes=shapes, tolerance=0)
    config = (tmp_path / 'out/label_config.xml').read_text(encoding='utf-8')
    tasks = json.loads(done.path.read_text(encoding='utf-8'))
    for index, task in enumerate(tasks):  # as if an annotator had accepted them
        task.update(id=index, annotations=[dict(task.pop('predictions')[0], id=index)])
    tool = converter.Converter(config, str(tmp_path), download_resources=False)
    if shapes == 'rle':
        for task, name in zip(tasks, sorted(NAMES)):
            mask = np.zeros(photographs.truth[name].shape, np.uint8)
            for region in task['annotations'][0]['result']:
                pixels = converter.brush.decode_rle(region['value']['rle']).reshape(*mask.shape, 4)
                (label,) = region['value']['brushlabels']
                mask[pixels[..., 3] > 0] = CLASSES.index(label)
            assert (mask == photographs.expected(name)).all()
        return
    source, out = tmp_path / 'export.json', tmp_path / 'coco'
    source.write_text(json.dumps(tasks), encoding='utf-8')
    tool.convert_to_coco(str(source), str(out), is_dir=False)
    result = json.loads((out / 'result.json').read_text(encoding='utf-8'))
    assert {category['name'] for category in result['categories']} == set(CLASSES[1:])
    assert len(result['annotations']) == done.regions
    for annotation in result['annotations']:
        image = result['images'][annotation['image_id']]
        (numbers,) = annotation['segmentation']
        label = result['categories'][annotation['category_id']]['name']
        pixels = even_odd([np.reshape(numbers, (-1, 2))], (image['height'], image['width']))
        truth = photographs.truth[sorted(NAMES)[annotation['image_id']]]
        assert set(truth[pixels]) == {CLASSES.index(label)}


@pytest.mark.parametrize(
    ('to', 'shapes', 'kind'),
    [
        ('cvat', 'polygons', 'cvat'),
        ('cvat', 'rle', 'cvat'),
        ('voc', None, 'voc_segmentation'),
        ('voc', None, 'voc_instance_segmentation'),
    ],
)
def test_datumaro(photographs, tmp_path, to, shapes, kind):
    dm = pytest.importorskip('datumaro')
    from datumaro.components.annotation import AnnotationType

    options = ExportOptions(CLASSES, shapes=shapes, tolerance=0)
    folders = (photographs.masks, photographs.images, tmp_path / 'out')
    export_masks(*folders, to, options, copy_images=True)
    data = dm.Dataset.import_from(str(tmp_path / 'out'), kind)
    labels = data.categories()[AnnotationType.label]
    by_stem = {name.rpartition('.')[0]: name for name in NAMES}
    seen = set()
    for item in data:
        expected = photographs.expected(by_stem[item.id])
        mask = np.zeros(expected.shape, np.uint8)
        for shape in item.annotations:
            if shape.type == AnnotationType.polygon:
                pixels = even_odd([np.reshape(shape.points, (-1, 2))], mask.shape)
            else:
                assert shape.type == AnnotationType.mask
                pixels = shape.image > 0
            if labels[shape.label].name not in ('background', 'ignore'):
                mask[pixels] = CLASSES.index(labels[shape.label].name)
        assert (mask == expected).all()
        seen.add(item.id)
    assert seen == set(by_stem)
