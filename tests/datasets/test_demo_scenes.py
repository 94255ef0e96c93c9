from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.datasets import demo_scenes
from weaktr_mmseg.datasets.demo_scenes import CLASSES, MIN_VISIBLE, DemoSize, write_demo
from weaktr_mmseg.utils.masks import read_mask

from looping import some

SIZE = DemoSize(train=5, val=3, side=32)


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp('demo') / 'scenes'
    assert write_demo(root, SIZE)
    return root


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_layout(demo):
    splits = {
        split: (demo / 'ImageSets' / 'Segmentation' / f'{split}.txt')
        .read_text(encoding='utf-8')
        .split()
        for split in ('train', 'val')
    }
    assert {split: len(names) for split, names in splits.items()} == dict(train=5, val=3)
    names = {*splits['train'], *splits['val']}
    assert len(names) == 8
    for folder in ('JPEGImages', 'SegmentationClass', 'Annotations'):
        assert {path.stem for path in (demo / folder).iterdir()} == names
    for path in (demo / 'JPEGImages').iterdir():
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((SIZE.side, SIZE.side), 'RGB')


def test_labels_are_the_classes_in_the_mask_and_each_is_visible(demo):
    for path in some((demo / 'Annotations').iterdir()):
        names = [item.findtext('name') for item in ElementTree.parse(path).iter('object')]
        mask = read_mask(demo / 'SegmentationClass' / f'{path.stem}.png')
        assert mask.shape == (SIZE.side, SIZE.side)
        present = set(np.unique(mask)) - {0}
        assert 1 <= len(present) <= 3
        assert sorted(names) == sorted(CLASSES[label] for label in present)
        assert all((mask == label).mean() >= MIN_VISIBLE for label in present)


def test_same_arguments_give_the_same_bytes(demo, tmp_path):
    write_demo(tmp_path / 'again', SIZE)
    assert contents(tmp_path / 'again') == contents(demo)


def test_scenes_depend_on_the_seed_but_not_on_the_number_of_others(demo, tmp_path):
    image = 'JPEGImages/train_00001.jpg'
    write_demo(tmp_path / 'fewer', SIZE._replace(train=2, val=1))
    write_demo(tmp_path / 'seeded', SIZE._replace(train=2, val=1, seed=1))
    assert contents(tmp_path / 'fewer')[image] == contents(demo)[image]
    assert contents(tmp_path / 'seeded')[image] != contents(demo)[image]


def test_halves_of_the_photographs_do_not_overlap(monkeypatch):
    """Every photograph is replaced by one whose red channel is the column."""
    columns = np.zeros((120, 200, 3), np.uint8)
    columns[..., 0] = np.arange(200)
    monkeypatch.setattr(demo_scenes.Image, 'open', lambda path: Image.fromarray(columns))
    left, right = demo_scenes._load_photos(left=True), demo_scenes._load_photos(left=False)
    assert left.keys() == right.keys()
    assert len(left) > len(demo_scenes.CLASS_PHOTOS)
    for name in left:
        last, first = np.max(left[name], (0, 1))[0], np.min(right[name], (0, 1))[0]
        assert 0 < last < first


def test_training_takes_one_half_and_validation_the_other(tmp_path, monkeypatch):
    load, composed = demo_scenes._load_photos, []
    compose = demo_scenes.compose_scene
    monkeypatch.setattr(demo_scenes, '_load_photos', lambda left: (left, load(left)))

    def spy(photos, *args):
        composed.append(photos[0])
        return compose(photos[1], *args)

    monkeypatch.setattr(demo_scenes, 'compose_scene', spy)
    write_demo(tmp_path / 'demo', SIZE)
    assert composed == [True] * SIZE.train + [False] * SIZE.val


def test_second_call_writes_nothing(demo):
    times = {path: path.stat().st_mtime_ns for path in demo.rglob('*')}
    assert write_demo(demo, SIZE) is False
    assert {path: path.stat().st_mtime_ns for path in demo.rglob('*')} == times
    assert list(demo.parent.iterdir()) == [demo]


@pytest.mark.parametrize('change', [dict(train=6), dict(side=48), dict(seed=1)])
def test_other_scenes_are_not_taken_for_these(demo, change):
    with pytest.raises(FileExistsError, match=r'scenes: expected demo scenes .* remove the folder'):
        write_demo(demo, SIZE._replace(**change))


def test_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / 'mine.txt').write_text('x', encoding='utf-8')
    with pytest.raises(FileExistsError, match='found other files'):
        write_demo(tmp_path, SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


def test_empty_folder_is_filled(tmp_path):
    assert write_demo(tmp_path, SIZE._replace(train=1, val=1))
    assert (tmp_path / 'ImageSets').is_dir()


@pytest.mark.parametrize('error', [OSError('disk full'), KeyboardInterrupt()])
def test_interrupted_write_leaves_no_folder(tmp_path, monkeypatch, error):
    write_scene = demo_scenes._write_scene

    def fail_at_the_third(root, name, scene):
        if name.endswith('2'):
            raise error
        write_scene(root, name, scene)

    monkeypatch.setattr(demo_scenes, '_write_scene', fail_at_the_third)
    with pytest.raises(type(error)):
        write_demo(tmp_path / 'demo', SIZE)
    assert not any(tmp_path.iterdir())


def test_of_two_processes_the_first_to_finish_wins(tmp_path, monkeypatch):
    root, size = tmp_path / 'demo', SIZE._replace(train=2, val=1)
    write_split = demo_scenes._write_split

    def overtaken(*args):
        monkeypatch.setattr(demo_scenes, '_write_split', write_split)
        assert write_demo(root, size)
        write_split(*args)

    monkeypatch.setattr(demo_scenes, '_write_split', overtaken)
    assert write_demo(root, size) is False
    assert list(tmp_path.iterdir()) == [root]
    assert not write_demo(root, size)


def test_data_set_writes_and_reads_its_scenes(tmp_path):
    size = dict(train=2, val=3, side=32)
    dataset = DATASETS.build(
        dict(
            type='WeakTrDemoDataset',
            data_root=str(tmp_path / 'demo'),
            size=size,
            labels=dict(type='voc_xml', path='Annotations'),
            ann_file='ImageSets/Segmentation/val.txt',
            data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
            pipeline=[],
            _scope_='mmseg',
        )
    )
    assert len(dataset) == 3
    assert len(dataset.metainfo['palette']) == len(dataset.metainfo['classes']) == len(CLASSES)
    for index in range(3):
        info = dataset.get_data_info(index)
        present = set(np.unique(read_mask(info['seg_map_path']))) - {0}
        assert {label + 1 for label in info['image_labels']} == present
