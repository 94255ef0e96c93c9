"""Readers of the formats written from their descriptions alone, and of nothing of the package."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import cv2
import numpy as np
from PIL import Image

Shapes = dict[str, list[tuple[str, np.ndarray]]]  # photograph -> class and pixels of each region


def even_odd(rings, shape) -> np.ndarray:
    """Pixels whose centres lie in an odd number of rings."""
    inside = np.zeros(shape, int)
    xs = np.arange(shape[1]) + 0.5
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0)):
            rows = np.arange(np.ceil(min(y0, y1) - 0.5), np.ceil(max(y0, y1) - 0.5)).astype(int)
            for row in rows:
                inside[row] += xs > x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    return inside % 2 == 1


def fill(ring, shape) -> np.ndarray:
    """As Ultralytics fills a polygon: coordinates cut down to pixels, with its edge."""
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [ring.astype(np.int32)], 1)
    return canvas.astype(bool)


def coco_runs(text: str) -> list[int]:
    """Unpacks run lengths: 5 bits a character, from the fourth on less the last but one."""
    counts, at = [], 0
    while at < len(text):
        value = shift = 0
        while True:
            code = ord(text[at]) - 48
            value |= (code & 0x1F) << shift
            shift += 5
            at += 1
            if not code & 0x20:
                if code & 0x10:
                    value -= 1 << shift
                break
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts


def from_runs(counts, shape, order='C') -> np.ndarray:
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(shape, order=order)


def parse_coco(file: Path) -> Shapes:
    data = json.loads(file.read_text(encoding='utf-8'))
    names = {category['id']: category['name'] for category in data['categories']}
    images = {image['id']: image for image in data['images']}
    found: Shapes = {image['file_name']: [] for image in images.values()}
    for annotation in data['annotations']:
        image = images[annotation['image_id']]
        shape, segmentation = (image['height'], image['width']), annotation['segmentation']
        if isinstance(segmentation, dict):
            assert tuple(segmentation['size']) == shape
            pixels = from_runs(coco_runs(segmentation['counts']), shape, 'F')
        else:
            rings = [np.reshape(polygon, (-1, 2)) for polygon in segmentation]
            pixels = np.any([even_odd([ring], shape) for ring in rings], axis=0)
        found[image['file_name']].append((names[annotation['category_id']], pixels))
    return found


def parse_yolo(file: Path, sizes: dict[str, tuple[int, int]]) -> Shapes:
    names = (file.parent / 'classes.txt').read_text(encoding='utf-8').splitlines()
    found: Shapes = {}
    for name, (height, width) in sizes.items():
        text = (file.parent / 'labels' / name).with_suffix('.txt').read_text(encoding='utf-8')
        found[name] = []
        for line in text.splitlines():
            class_id, *numbers = line.split()
            ring = np.array(numbers, float).reshape(-1, 2)
            assert ((ring >= 0) & (ring <= 1)).all()
            pixels = fill(ring * (width, height), (height, width))
            found[name].append((names[int(class_id)], pixels))
    return found


def brush(data: list[int], shape) -> np.ndarray:
    """Unpacks a brush mask of Label Studio, bit by bit."""
    bits, at = ''.join(f'{byte:08b}' for byte in data), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    count, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < count:
        repeated, length = take(1), take(sizes[take(2)]) + 1
        values += [take(word)] * length if repeated else [take(word) for _ in range(length)]
    channels = np.array(values).reshape(*shape, 4)
    assert (channels == channels[..., :1]).all() and set(values) <= {0, 255}
    return channels[..., 0] > 0


def parse_label_studio(file: Path) -> Shapes:
    config = ET.parse(file.parent / 'label_config.xml').getroot()
    names = {label.get('value') for label in config.iter('Label')}
    found: Shapes = {}
    for task in json.loads(file.read_text(encoding='utf-8')):
        photograph = unquote(task['data']['image'].partition('?d=')[2])
        found[photograph] = []
        for region in task['predictions'][0]['result']:
            shape, value = (region['original_height'], region['original_width']), region['value']
            if 'rle' in value:
                pixels = brush(value['rle'], shape)
            else:
                pixels = even_odd([np.array(value['points']) * shape[::-1] / 100], shape)
            (label,) = value[region['type']]
            assert label in names
            assert region['type'] in [child.tag.lower() for child in config]
            found[photograph].append((label, pixels))
    return found


def parse_cvat(file: Path) -> Shapes:
    root = ET.parse(file).getroot()
    names = {node.text for node in root.iterfind('meta/task/labels/label/name')}
    found: Shapes = defaultdict(list)
    for image in root.iter('image'):
        shape = int(image.get('height')), int(image.get('width'))
        found[image.get('name')] = []
        for node in image:
            if node.tag == 'mask':
                left, top, w, h = (int(node.get(k)) for k in ('left', 'top', 'width', 'height'))
                pixels = np.zeros(shape, bool)
                counts = list(map(int, node.get('rle').split(',')))
                pixels[top : top + h, left : left + w] = from_runs(counts, (h, w))
            else:
                numbers = re.split('[,;]', node.get('points'))
                pixels = even_odd([np.array(numbers, float).reshape(-1, 2)], shape)
            assert node.get('label') in names
            found[image.get('name')].append((node.get('label'), pixels))
    return found


def parse_voc(file: Path, sizes: dict[str, tuple[int, int]]) -> Shapes:
    folder = file.parent
    lines = file.read_text(encoding='utf-8').splitlines()[1:]
    colours = {}
    for line in lines:
        name, colour = line.split(':')[:2]
        colours[tuple(map(int, colour.split(',')))] = name
    listed = (folder / 'ImageSets/Segmentation/default.txt').read_text(encoding='utf-8')
    found: Shapes = {}
    for name in sizes:
        stem = str(Path(name).with_suffix(''))
        assert stem in listed.splitlines()
        with Image.open(folder / f'SegmentationClass/{stem}.png') as image:
            classes = np.array(image.convert('RGB'))
        with Image.open(folder / f'SegmentationObject/{stem}.png') as image:
            objects = np.array(image)
        found[name] = []
        for number in np.setdiff1d(objects, [0, 255]):
            pixels = objects == number
            (colour,) = {tuple(map(int, c)) for c in classes[pixels]}
            found[name].append((colours[colour], pixels))
        assert ((objects == 0) == (classes == 0).all(axis=-1)).all()
    return found


def parse(to: str, file: Path, sizes: dict[str, tuple[int, int]]) -> Shapes:
    """Regions in the file that an export wrote."""
    if to in ('yolo', 'voc'):
        return {'yolo': parse_yolo, 'voc': parse_voc}[to](file, sizes)
    return {'coco': parse_coco, 'labelstudio': parse_label_studio, 'cvat': parse_cvat}[to](file)
