from __future__ import annotations

import copy

import numpy as np
import pytest
import torch.nn.functional as F
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
from PIL import Image

from weaktr_mmseg.apis import PhotoSegmentor, WeakTrInferencer, build_segmentor
from weaktr_mmseg.apis import segment as module
from weaktr_mmseg.apis.segment import class_areas, overlay, trained_short_side
from weaktr_mmseg.utils.configs import read_config
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.shipped_files import find_config

VOC = dict(type='DenseCRF', preset='voc_seg')


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    rows, columns = np.arange(height) * 5 // height, np.arange(width) * 6 // width
    return coarse[rows][:, columns]


@pytest.fixture(scope='module')
def model(tiny_segmentor):
    return build_segmentor(read_config(tiny_segmentor.config), tiny_segmentor.checkpoint)


def test_image_of_the_trained_size_is_predicted_as_mmseg_does(model, tiny_segmentor):
    image = photo(32, 40)
    stock = init_model(str(tiny_segmentor.config), str(tiny_segmentor.checkpoint), device='cpu')
    expected = inference_model(stock, np.ascontiguousarray(image[..., ::-1]))
    labels = PhotoSegmentor(model)(image)
    assert np.array_equal(labels, expected.pred_sem_seg.data[0].numpy())
    assert len(np.unique(labels)) > 1


def without_resizing(run) -> Config:
    cfg = read_config(run.config)
    pipeline = cfg.test_dataloader.dataset.pipeline
    cfg.test_pipeline = [step for step in pipeline if step.type != 'Resize']
    assert len(cfg.test_pipeline) < len(pipeline)
    return cfg


def watch_network(model, monkeypatch) -> list[tuple[int, ...]]:
    """List that gets the shape of every batch that the encoder sees."""
    shapes = []
    original = type(model.backbone).forward

    def spy(backbone, inputs):
        shapes.append(tuple(inputs.shape[2:]))
        return original(backbone, inputs)

    monkeypatch.setattr(type(model.backbone), 'forward', spy)
    return shapes


def test_photograph_is_seen_at_the_trained_size_and_labelled_at_its_own(
    tiny_segmentor, monkeypatch
):
    model = build_segmentor(without_resizing(tiny_segmentor), tiny_segmentor.checkpoint)
    seen = []
    original = module.inference_model

    def spy(network, image):
        seen.append(image.shape[:2])
        result = original(network, image)
        seen.append(result.seg_logits.data)
        return result

    monkeypatch.setattr(module, 'inference_model', spy)
    labels = PhotoSegmentor(model)(photo(150, 201))
    assert (seen[0], labels.shape, labels.dtype) == ((32, 43), (150, 201), np.uint8)
    logits = F.interpolate(seen[1][None], (150, 201), mode='bilinear', align_corners=False)
    assert np.array_equal(labels, logits[0].argmax(0).numpy())


def test_photograph_is_seen_at_the_size_of_the_test_pipeline(model, monkeypatch):
    shapes = watch_network(model, monkeypatch)
    assert PhotoSegmentor(model)(photo(150, 200)).shape == (150, 200)
    assert shapes == [(72, 96)]


def test_short_side_overrides_the_test_pipeline(model, monkeypatch):
    shapes = watch_network(model, monkeypatch)
    assert PhotoSegmentor(model, short_side=24)(photo(150, 200)).shape == (150, 200)
    PhotoSegmentor(model)(photo(150, 200))  # the model itself is as it was
    assert shapes == [(24, 32), (72, 96)]


def test_short_side_is_a_size(model):
    with pytest.raises(WeakTrInputError, match='short side: expected at least 1 pixel, got 0'):
        PhotoSegmentor(model, short_side=0)


@pytest.mark.parametrize('options', [{}, dict(refine=VOC), dict(short_side=24)])
def test_many_classes_need_not_all_be_kept(model, options):
    """More scores than the network keeps of an image by itself."""
    frugal = copy.copy(model)
    frugal.max_logits = 0
    labels = PhotoSegmentor(model, **options)(photo(40, 48))
    assert np.array_equal(PhotoSegmentor(frugal, **options)(photo(40, 48)), labels)


def test_camera_image_is_worked_on_at_a_bounded_size(model, monkeypatch):
    monkeypatch.setattr(module, 'MAX_SIDE', 64)
    labels = PhotoSegmentor(model)(photo(300, 100))
    assert labels.shape == (300, 100)


@pytest.mark.parametrize('size', [(1, 1), (3, 90), (33, 31)])
def test_odd_sizes(model, size):
    assert PhotoSegmentor(model)(photo(*size)).shape == size


def test_crf_changes_labels_and_an_unknown_preset_is_refused(model):
    image = photo(40, 48)
    plain, refined = PhotoSegmentor(model)(image), PhotoSegmentor(model, VOC)(image)
    assert refined.shape == plain.shape
    assert (refined != plain).any()
    with pytest.raises(ValueError, match='preset'):
        PhotoSegmentor(model, dict(VOC, preset='none'))


def test_named_refinement_replaces_that_of_the_config(tiny_segmentor, model):
    assert model.refiner is not None
    plain_cfg = read_config(tiny_segmentor.config)
    del plain_cfg.model.test_cfg['refine']
    plain = build_segmentor(plain_cfg, tiny_segmentor.checkpoint)
    image = photo(80, 80)
    refined = PhotoSegmentor(model, VOC)(image)
    assert np.array_equal(refined, PhotoSegmentor(plain, VOC)(image))
    assert (PhotoSegmentor(model)(image) != PhotoSegmentor(plain)(image)).any()
    assert np.array_equal(PhotoSegmentor(model, None)(image), PhotoSegmentor(plain)(image))
    assert model.refiner is not None


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({}, 32),
        ({'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='Resize')]}, None),
        ({'model.test_cfg': dict(mode='slide')}, None),
        ({'model.backbone.img_size': (48, 64)}, 48),
    ],
)
def test_trained_short_side(tiny_segmentor, changes, expected):
    cfg = without_resizing(tiny_segmentor)
    cfg.merge_from_dict(changes)
    assert trained_short_side(cfg) == expected


def test_class_areas_and_overlay():
    labels = np.array([[0, 0, 1], [0, 2, 1]], np.uint8)
    assert class_areas(labels, 'abcd') == {'a': 0.5, 'b': pytest.approx(1 / 3), 'c': 1 / 6}
    image = np.full((2, 3, 3), 100, np.uint8)
    palette = [[9, 9, 9], [200, 0, 0], [0, 200, 0], [0, 0, 200]]
    tinted = overlay(image, labels, palette, 0.5)
    assert (tinted[labels == 0] == 100).all()
    assert tinted[0, 2].tolist() == [150, 50, 50]


def test_stock_inferencer_gives_the_same(model, tiny_segmentor):
    image = photo(32, 32)
    config, weights = str(tiny_segmentor.config), str(tiny_segmentor.checkpoint)
    inferencer = MMSegInferencer(config, weights, device='cpu')
    result = inferencer(np.ascontiguousarray(image[..., ::-1]))
    assert np.array_equal(result['predictions'], PhotoSegmentor(model)(image))


def test_inferencer_decodes_files_as_training_does(tiny_segmentor, tmp_path):
    cfg = Config.fromfile(tiny_segmentor.config)
    cfg.test_dataloader.dataset.pipeline[0].type = 'WeakTrLoadImage'
    cfg.dump(tmp_path / 'own_loader.py')
    arguments = str(tmp_path / 'own_loader.py'), str(tiny_segmentor.checkpoint)
    inferencer = WeakTrInferencer(*arguments, device='cpu')
    image = photo(32, 32)
    Image.fromarray(image).save(tmp_path / 'a.png')
    expected = inferencer(np.ascontiguousarray(image[..., ::-1]))['predictions']
    assert np.array_equal(inferencer(str(tmp_path / 'a.png'))['predictions'], expected)

    Image.fromarray(image).save(tmp_path / 'torn.jpg')
    (tmp_path / 'torn.jpg').write_bytes((tmp_path / 'torn.jpg').read_bytes()[:700])
    with pytest.raises(ValueError, match=r'cannot read image .*torn\.jpg'):
        inferencer(str(tmp_path / 'torn.jpg'))


def test_inferencer_finds_shipped_configs_by_name():
    with pytest.warns(UserWarning, match='weights is None'):
        inferencer = WeakTrInferencer('weaktr_demo_retrain', device='cpu')
    assert inferencer(photo(32, 32))['predictions'].shape == (32, 32)
    with pytest.raises(WeakTrInputError, match="model 'weaktr': expected the path or the name"):
        WeakTrInferencer('weaktr', device='cpu')


@pytest.mark.parametrize('name', ['weaktr_voc', 'weaktr_coco', 'weaktr_custom'])
def test_inferencer_takes_the_pipeline_of_each_recipe(name, tmp_path, monkeypatch):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labels.csv').write_text('image,labels\na.jpg,cat\n', encoding='utf-8')
    monkeypatch.setenv('WEAKTR_DATA', str(tmp_path))
    cfg = Config.fromfile(find_config(name))
    inferencer = WeakTrInferencer.__new__(WeakTrInferencer)
    packed = inferencer._init_pipeline(cfg)(photo(32, 40))
    assert packed['data_samples'].ori_shape == (32, 40)


def test_faults_of_config_and_checkpoint(tiny_segmentor, tiny_cam, tmp_path):
    with pytest.raises(WeakTrInputError, match=r'config .*absent\.py: no such file'):
        read_config(tmp_path / 'absent.py')
    with pytest.raises(WeakTrInputError, match='expected the config of a pipeline or a segmentor'):
        build_segmentor(read_config(tiny_cam.config), tiny_cam.checkpoint)
    cfg = read_config(tiny_segmentor.config)
    with pytest.raises(WeakTrInputError, match='is not of this config'):
        build_segmentor(cfg, tiny_cam.checkpoint)
    torn = tmp_path / 'torn.pth'
    torn.write_bytes(tiny_segmentor.checkpoint.read_bytes()[:500])
    with pytest.raises(WeakTrInputError, match=r'torn\.pth: '):
        build_segmentor(cfg, torn)


def test_known_labels_leave_their_classes_and_the_background(model):
    """Among these the most likely one wins, as if the network had no other output."""
    image = photo(32, 32)
    model = copy.copy(model)
    model.refiner = None
    sample = inference_model(model, np.ascontiguousarray(image[..., ::-1]))
    classes = model.dataset_meta['classes']
    present = [classes[3], classes[1]]
    expected = np.array([0, 1, 3])[sample.seg_logits.data[[0, 1, 3]].argmax(0).numpy()]
    segmentor = PhotoSegmentor(model)
    assert np.array_equal(segmentor(image, present), expected)
    assert set(np.unique(segmentor(image, []))) == {0}
    assert np.array_equal(segmentor(image), PhotoSegmentor(model)(image))  # no trace is left


def test_known_labels_are_classes_of_the_network(model):
    with pytest.raises(ValueError, match='expected classes of the network, .*; got unicorn'):
        PhotoSegmentor(model)(photo(32, 32), ['unicorn'])
