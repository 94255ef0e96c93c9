"""Demo data without a download: scenes composed from photographs inside scikit-image's wheel."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image, ImageDraw, ImageFilter
from tqdm import tqdm

from ..utils.errors import WeakTrMissingFileError
from ..utils.files import write_json, write_text
from ..utils.masks import write_mask
from ..utils.progress import progress_bar
from .faults import Fault, whole_fault
from .image_label_dataset import ImageLabelDataset


class Photo(NamedTuple):
    """A photograph in the wheel of scikit-image (skimage/data/README.txt has their sources).

    Attributes:
        file: Its name.
        box: Part to take crops from: left, upper, right, lower as shares of its sides.
        zoom: Pixels of the photograph per pixel of the scene, at least and at most.
    """

    file: str
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    zoom: tuple[float, float] = (2.0, 3.0)


CLASS_PHOTOS = {
    'brick': Photo('brick.png', zoom=(3.0, 4.0)),  # mortar in each patch
    'fur': Photo('chelsea.png', (0.05, 0.0, 0.78, 1.0)),  # the cat without the room behind it
    'grass': Photo('grass.png'),
    'stars': Photo('hubble_deep_field.jpg', zoom=(4.0, 6.0)),  # several in each patch
    'tissue': Photo('ihc.png'),
}
BACKGROUND_PHOTOS = (
    Photo('cell.png'),
    Photo('clock_motion.png'),
    Photo('moon.png'),
    Photo('motorcycle_left.png'),
    Photo('retina.jpg', (0.15, 0.15, 0.85, 0.85)),  # without its black corners
    Photo('rocket.jpg'),
)
CLASSES = ('background', *CLASS_PHOTOS)
PALETTE = (
    (0, 0, 0),
    (178, 34, 34),
    (218, 165, 32),
    (34, 139, 34),
    (65, 105, 225),
    (148, 0, 211),
)
VERSION = 2  # raised when the same arguments give other scenes
STAMP = 'demo.json'
MIN_VISIBLE = 0.06  # share of the scene that a class must show to be in its label
JPEG_QUALITY = 92


class DemoSize(NamedTuple):
    """How many scenes of which side length in pixels."""

    train: int = 2400
    val: int = 400
    side: int = 64
    seed: int = 0


class Scene(NamedTuple):
    """A composed scene: RGB image, uint8 (S, S, 3), and labels, uint8 (S, S)."""

    image: Image.Image
    mask: np.ndarray


@DATASETS.register_module()
class WeakTrDemoDataset(ImageLabelDataset):
    """Composed scenes in VOC layout, written below ``data_root`` before they are first listed.

    Args:
        data_root: Folder of the data set.
        size: Fields of :class:`DemoSize`.
        kwargs: Arguments of :class:`ImageLabelDataset`.
    """

    METAINFO = dict(classes=CLASSES, palette=[list(colour) for colour in PALETTE])

    def __init__(self, data_root: str, size: dict | None = None, **kwargs) -> None:
        self.demo_size = DemoSize(**(size or {}))
        super().__init__(data_root=data_root, **kwargs)

    def _scan(self, faults: list[Fault]) -> list[dict]:
        with whole_fault('demo', self.data_root):
            write_demo(self.data_root, self.demo_size)
        return super()._scan(faults)


def write_demo(root: str | Path, size: DemoSize | None = None) -> bool:
    """Writes the demo data set in VOC layout unless it is there already.

    Training and validation scenes take their crops from the left and the right half of each
    photograph. The folder appears complete or not at all; of several processes that write at
    once, the first to finish wins and all scenes are equal.

    Args:
        root: Folder to write.
        size: Number and size of the scenes, and the seed; the defaults when None.

    Returns:
        Whether scenes were written.

    Raises:
        FileExistsError: If ``root`` holds something else, or scenes of another size.
        WeakTrMissingFileError: If scikit-image, whose photographs are used, is not installed.
    """
    root, size = Path(root), size or DemoSize()
    stamp = dict(version=VERSION, **size._asdict())
    if root.exists() and any(root.iterdir()):
        _check_stamp(root, stamp)
        return False
    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f'.{root.name}.', dir=root.parent))
    try:
        building.chmod(0o755)
        with progress_bar(total=size.train + size.val, desc=f'Composing {root}') as progress:
            for number, split in enumerate(('train', 'val')):
                rng = np.random.default_rng((size.seed, number))
                _write_split(building, split, getattr(size, split), size.side, rng, progress)
        write_json(building / STAMP, stamp)
        return _move_into_place(building, root, stamp)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _check_stamp(root: Path, stamp: dict) -> None:
    path = root / STAMP
    found = json.loads(path.read_text(encoding='utf-8')) if path.is_file() else None
    if found != stamp:
        raise FileExistsError(
            f'{root}: expected demo scenes {stamp}, found {found or "other files"}; '
            'remove the folder or choose another data_root'
        )


def _move_into_place(building: Path, root: Path, stamp: dict) -> bool:
    try:
        os.replace(building, root)
    except OSError:
        _check_stamp(root, stamp)
        return False
    return True


def _write_split(
    root: Path, split: str, count: int, side: int, rng: np.random.Generator, progress: tqdm
) -> None:
    photos = _load_photos(left=split == 'train')
    names = [f'{split}_{index:05d}' for index in range(count)]
    for name in names:
        scene = compose_scene(photos, side, rng)
        _write_scene(root, name, scene)
        progress.update()
    write_text(root / f'ImageSets/Segmentation/{split}.txt', '\n'.join(names) + '\n')


def _load_photos(left: bool) -> dict[Photo, Image.Image]:
    """Half of the usable part of every photograph."""
    package = find_spec('skimage')
    if package is None or package.origin is None:
        raise WeakTrMissingFileError(
            'the demo is made of photographs of scikit-image, which is not installed: '
            'pip install scikit-image'
        )
    folder = Path(package.origin).parent / 'data'
    return {
        photo: _half(folder / photo.file, photo.box, left)
        for photo in (*CLASS_PHOTOS.values(), *BACKGROUND_PHOTOS)
    }


def _half(path: Path, box: tuple[float, ...], left: bool) -> Image.Image:
    with Image.open(path) as photo:
        x0, y0, x1, y1 = (round(share * side) for share, side in zip(box, photo.size * 2))
        middle = (x0 + x1) // 2
        return photo.convert('RGB').crop((x0, y0, middle, y1) if left else (middle, y0, x1, y1))


def compose_scene(photos: dict[Photo, Image.Image], side: int, rng: np.random.Generator) -> Scene:
    """Pastes one to three textured polygons onto a background photograph.

    Args:
        photos: Halves of the photographs.
        side: Side length in pixels.
        rng: Source of all randomness.

    Returns:
        The scene; every class in its mask covers at least ``MIN_VISIBLE`` of it.
    """
    while True:
        background = BACKGROUND_PHOTOS[rng.integers(len(BACKGROUND_PHOTOS))]
        image = _random_crop(photos[background], background.zoom, side, rng)
        mask = np.zeros((side, side), np.uint8)
        names = rng.choice(list(CLASS_PHOTOS), size=rng.integers(1, 4), replace=False)
        for name in names:
            shape = _random_polygon(side, rng)
            photo = CLASS_PHOTOS[name]
            texture = _random_crop(photos[photo], photo.zoom, side, rng)
            image.paste(texture, mask=shape.filter(ImageFilter.GaussianBlur(0.6)))
            mask[np.asarray(shape) > 127] = CLASSES.index(name)
        area = np.bincount(mask.ravel(), minlength=len(CLASSES)) / mask.size
        if all(area[CLASSES.index(name)] >= MIN_VISIBLE for name in names):
            return Scene(image, mask)


def _random_crop(
    photo: Image.Image, zoom: tuple[float, float], side: int, rng: np.random.Generator
) -> Image.Image:
    """Square crop of random place, scale, orientation, brightness, contrast and tint."""
    longest = min(photo.size)
    length = min(int(side * rng.uniform(*zoom)), longest)
    x, y = rng.integers(0, photo.width - length + 1), rng.integers(0, photo.height - length + 1)
    crop = photo.resize((side, side), Image.BICUBIC, box=(x, y, x + length, y + length))
    crop = crop.rotate(90 * int(rng.integers(4)))
    pixels = np.asarray(crop, dtype=np.float32)
    mean = pixels.mean(axis=(0, 1))
    pixels = (pixels - mean) * rng.uniform(0.8, 1.2) + mean * rng.uniform(0.8, 1.2)
    pixels = pixels * rng.uniform(0.9, 1.1, size=3)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _random_polygon(side: int, rng: np.random.Generator) -> Image.Image:
    """Star-shaped polygon of five to ten corners as a mask, 255 inside."""
    corners = rng.integers(5, 11)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = side * rng.uniform(0.24, 0.44) * rng.uniform(0.7, 1.2, corners)
    centre = rng.uniform(0.2, 0.8, 2) * side
    points = centre + radii[:, None] * np.stack((np.cos(angles), np.sin(angles)), axis=1)
    shape = Image.new('L', (side, side))
    ImageDraw.Draw(shape).polygon([tuple(point) for point in points], fill=255)
    return shape


def _write_scene(root: Path, name: str, scene: Scene) -> None:
    image_path = root / 'JPEGImages' / f'{name}.jpg'
    image_path.parent.mkdir(parents=True, exist_ok=True)
    scene.image.save(image_path, quality=JPEG_QUALITY)
    write_mask(root / 'SegmentationClass' / f'{name}.png', scene.mask, PALETTE)

    labels = np.unique(scene.mask[scene.mask > 0])
    objects = ''.join(f'<object><name>{CLASSES[label]}</name></object>' for label in labels)
    annotation = f'<annotation><filename>{image_path.name}</filename>{objects}</annotation>'
    write_text(root / f'Annotations/{name}.xml', annotation)
