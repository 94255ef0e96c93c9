from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from weaktr_mmseg.apis import CAMInspector, build_cam_model
from weaktr_mmseg.apis.images import find_images
from weaktr_mmseg.apis.known_images import known_images
from weaktr_mmseg.datasets.demo_scenes import DemoSize, write_demo
from weaktr_mmseg.utils.configs import read_config
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.visualization.cam_figures import ranked_heads
from weaktr_mmseg.visualization.visualize_cams import (
    CAMPictureOptions,
    _given_masks,
    visualize_cams,
)

TOOL = Path(__file__).parents[2] / 'tools/visualize_cams.py'


@pytest.fixture(scope='module')
def inspector(tiny_cam):
    cfg = read_config(tiny_cam.config)
    return CAMInspector(build_cam_model(cfg, tiny_cam.checkpoint), cfg)


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'photo.png')
    return tmp_path / 'photo.png'


def test_inspection_is_what_the_network_predicts(inspector):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    seen = inspector.inspect(image, [1, 4])
    assert set(seen.class_ids) == {1, 4}
    assert list(seen.scores[seen.class_ids]) == sorted(seen.scores[[1, 4]], reverse=True)
    assert seen.fused.shape == seen.coarse.shape == (2, 32, 32)

    # The fused attention of class tokens is the mean over heads of weight times attention.
    model = inspector.model
    pixels = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)
    with torch.inference_mode():
        inputs = model.data_preprocessor(dict(inputs=[[pixels]]))['inputs'][0][0]
        fused = model.extract_feat(inputs).attention.class_to_patch()[0]
    weighted = seen.head_weights[..., None, None, None] * seen.head_attention
    expected = fused[seen.attention_ids].numpy().reshape(2, 4, 4)
    np.testing.assert_allclose(weighted.mean(axis=(0, 1)), expected, atol=1e-5)


def test_the_network_sees_blue_first(inspector, monkeypatch):
    """As in training: mmcv reads BGR, and the preprocessor turns it."""
    seen = []
    real = inspector.model.test_step
    monkeypatch.setattr(
        inspector.model, 'test_step', lambda data: (seen.append(data['inputs']), real(data))[1]
    )
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0], image[..., 2] = 200, 10  # red
    inspector.inspect(image, [0])
    ((pixels, *_), *_) = seen[0]
    assert len(pixels) == 3
    assert [channel.unique().tolist() for channel in pixels] == [[10], [0], [200]]


def test_masks_are_found_by_folder_and_name(tiny_cam, tmp_path):
    pixels = np.zeros((40, 50, 3), np.uint8)
    for name in ('a', 'sub/a', 'sub/b'):
        (tmp_path / f'photos/{name}.png').parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f'photos/{name}.png')
    files = find_images([tmp_path / 'photos'])
    masks = tmp_path / 'masks'
    masks.mkdir()
    with pytest.raises(WeakTrInputError, match=r'masks: expected a mask of .* such as a\.png'):
        _given_masks(files, masks)
    for name in ('a', 'b'):
        (masks / f'{name}.png').touch()
    found = {file.name: path.name for file, path in _given_masks(files, masks).items()}
    assert found == {'a': 'a.png', 'sub/b': 'b.png'}  # a.png is not that of sub/a


def test_classes_without_labels_are_those_above_the_score(inspector):
    image = np.random.default_rng(1).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    inspector.model.score_threshold = -1.0
    scores = inspector.inspect(image).scores
    middle = float(np.sort(scores)[2:4].mean())
    inspector.model.score_threshold = middle
    seen = inspector.inspect(image)
    assert set(seen.class_ids) == set(np.flatnonzero(scores > middle))
    inspector.model.score_threshold = 2.0
    seen = inspector.inspect(image)
    assert len(seen.class_ids) == 0 and list(seen.attention_ids) == [scores.argmax()]


def test_a_class_is_there_from_a_half_on_unless_told_otherwise(inspector, tiny_cam):
    cfg = read_config(tiny_cam.config)
    for given, expected in ((dict(score_threshold=0.7), 0.7), ({}, 0.5)):
        assert CAMInspector(inspector.model, cfg, **given).model.score_threshold == expected


def test_photograph_is_shrunk_to_a_size_that_the_network_knows(inspector):
    image = np.zeros((400, 600, 3), np.uint8)
    assert inspector.inspect(image, [0]).image.shape == (96, 144, 3)


@pytest.mark.parametrize('size', [(3, 5), (1, 1), (2, 60)])
def test_image_smaller_than_a_patch_is_enlarged_to_one(inspector, size):
    seen = inspector.inspect(np.zeros((*size, 3), np.uint8), [0])
    assert min(seen.image.shape[:2]) == inspector.scales.min_side
    assert seen.fused.shape[1:] == seen.image.shape[:2]


def test_ranked_heads():
    weights = np.array([[0.1, 0.9], [0.5, 0.3], [0.7, 0.2]])
    assert ranked_heads(weights, 2) == ([(0, 1), (2, 0)], [(2, 1), (0, 0)])
    assert ranked_heads(weights, 9) == ([(0, 1), (2, 0), (1, 0)], [(1, 1), (2, 1), (0, 0)])


def test_images_of_the_data_set_bring_labels_and_masks(tiny_cam, tmp_path):
    root = tmp_path / 'demo'
    write_demo(root, DemoSize(train=2, val=2, side=32))
    cfg = Config.fromfile(tiny_cam.config)
    for loader in ('val_dataloader', 'test_dataloader'):
        cfg[loader].dataset.update(data_root=str(root), size=dict(train=2, val=2, side=32))
    images = sorted((root / 'JPEGImages').iterdir())
    known = known_images(cfg, [*images, tmp_path / 'other.jpg'])
    assert sorted(known) == images
    for image in images:
        info = known[image]
        mask = np.array(Image.open(info['seg_map_path']))
        assert Path(info['seg_map_path']).stem == image.stem
        assert {label + 1 for label in info['image_labels']} <= set(np.unique(mask))

    faults = visualize_cams(cfg, tiny_cam.checkpoint, images[:1], tmp_path / 'out')
    assert faults == []
    assert len(list((tmp_path / 'out').glob('*.png'))) == 2


def test_folder_of_masks_that_is_not_there(tiny_cam, photo, tmp_path):
    options = CAMPictureOptions(masks=tmp_path / 'nope')
    with pytest.raises(WeakTrInputError, match='nope: no such folder'):
        visualize_cams(
            read_config(tiny_cam.config), tiny_cam.checkpoint, [photo], tmp_path / 'out', options
        )


def test_unknown_label(tiny_cam, photo, tmp_path):
    options = CAMPictureOptions(labels=['unicorn'])
    with pytest.raises(WeakTrInputError, match="'unicorn' unknown, expected of brick, fur"):
        visualize_cams(
            read_config(tiny_cam.config), tiny_cam.checkpoint, [photo], tmp_path / 'out', options
        )


def test_tool_draws_a_photograph_and_names_what_it_cannot_read(
    tiny_cam, photo, tmp_path, monkeypatch, capsys
):
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'no image')
    (tmp_path / 'masks').mkdir()
    Image.fromarray(np.ones((40, 50), np.uint8)).save(tmp_path / 'masks/photo.png')
    arguments = [tiny_cam.config, tiny_cam.checkpoint, photo, broken, '--labels', 'fur', 'stars']
    arguments += ['--masks', tmp_path / 'masks', '--out-dir', tmp_path / 'out']
    monkeypatch.setattr(sys, 'argv', ['visualize_cams.py', *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert exit_.value.code == 1
    assert 'broken.jpg' in capsys.readouterr().err
    for name in ('photo_cams.png', 'photo_heads.png'):
        with Image.open(tmp_path / 'out' / name) as picture:
            assert min(picture.size) > 200
