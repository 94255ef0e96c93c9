"""The config for own data, through all stages, with networks small enough for a test."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS, RUNNERS
from PIL import Image
from stand_ins import stand_in

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import load_state_dict
from weaktr_mmseg.datasets.label_sources.class_discovery import discover_classes
from weaktr_mmseg.datasets.label_sources.manifest_labels import read_manifest
from weaktr_mmseg.pipeline.mask_stage import write_final_masks
from weaktr_mmseg.pipeline.stage import Run
from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline
from weaktr_mmseg.utils.masks import read_mask, write_mask
from weaktr_mmseg.utils.palette import voc_palette

CONFIGS = Path(__file__).parents[2] / 'configs'
NUM_IMAGES = 6
WIDTH = 16
ARCH = dict(embed_dims=WIDTH, num_layers=2, num_heads=2, feedforward_channels=WIDTH)


def shrink(stage):
    """Make a stage small enough for a CPU: two blocks of width 16, one epoch of SGD."""
    stage.model.backbone.update(arch=ARCH, init_cfg=None)
    stage.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
    stage.train_cfg.max_epochs = 1
    for loader in (stage.train_dataloader, stage.val_dataloader, stage.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)


def shrink_segmentor(stage):
    """Besides, crops of 48 px in place of 480."""
    shrink(stage)
    stage.model.backbone.img_size = 48
    stage.model.data_preprocessor.size = (48, 48)
    stage.model.decode_head.update(in_channels=WIDTH, channels=WIDTH, embed_dims=WIDTH, num_heads=2)
    stage.model.test_cfg = dict(mode='whole')
    stage.train_dataloader.dataset.pipeline[2].scale = (192, 48)
    stage.train_dataloader.dataset.pipeline[3].crop_size = (48, 48)
    for loader in (stage.val_dataloader, stage.test_dataloader):
        loader.dataset.pipeline[1].scale = (192, 48)
    stage.pseudo_labels.workers = 0


def make_folder(root, num_classes, masks):
    """Photos in a sub-folder; each class is shown by two of them, so one may be held out."""
    names = [f'thing {index:02d}' for index in range(num_classes)]
    rng = np.random.default_rng(0)
    rows = ['image,labels']
    for index in range(NUM_IMAGES):
        pixels = rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)
        path = root / f'images/trip/photo {index}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        following = (index + 1) % NUM_IMAGES
        shown = names[index::NUM_IMAGES] + names[following::NUM_IMAGES] or names[:1]
        rows.append(f'trip/photo {index}.jpg,{";".join(shown)}')
        if masks:
            mask = np.zeros((40, 56), np.uint8)
            mask[8:24, 8:24] = 1 + names.index(shown[0])
            target = root / f'masks/trip/photo {index}.png'
            write_mask(target, mask, voc_palette(num_classes + 1))
    (root / 'labels.csv').write_text('\n'.join(rows), encoding='utf-8')


def load(monkeypatch, root, leaf='weaktr_custom.py'):
    """The config as a user loads it, in an empty folder, then made tiny."""
    monkeypatch.setenv('WEAKTR_DATA', str(root / 'my data'))
    monkeypatch.chdir(root)
    cfg = resolve_pipeline(Config.fromfile(CONFIGS / leaf))
    shrink(cfg.cam_stage)
    cfg.cam_stage.model.cam_head.in_channels = WIDTH
    cfg.cam_stage.model.backbone.fusion = dict(
        type='AdaptiveAttentionFusion', reduction=2, feature_reduction=2
    )
    shrink_segmentor(cfg)
    return cfg


@pytest.mark.parametrize('num_classes', [1, 50])
@pytest.mark.parametrize('masks', [True, False])
def test_all_stages(tmp_path, monkeypatch, num_classes, masks):
    make_folder(tmp_path / 'my data', num_classes, masks)
    cfg = load(monkeypatch, tmp_path)
    assert cfg.cam_stage.model.backbone.num_classes == num_classes
    assert cfg.model.decode_head.num_classes == num_classes + 1
    RUNNERS.build(cfg).train()
    work_dir = tmp_path / 'work_dirs/weaktr_custom'
    metrics = json.loads((work_dir / 'summary.json').read_text(encoding='utf-8'))['metrics']
    assert metrics['image_map'] is not None
    scores = (
        *('cam_fused_miou', 'pseudo_label_miou', 'val_miou', 'val_cam_miou_oracle'),
        *('val_miou_given_labels', 'mask_miou'),
    )
    assert {name: metrics.get(name) is not None for name in scores} == dict.fromkeys(scores, masks)
    pseudo_labels = list((work_dir / 'pseudo_labels/masks/trip').glob('*.png'))
    assert len(pseudo_labels) == NUM_IMAGES - masks  # one image is held out for scoring
    assert read_mask(pseudo_labels[0]).shape == (40, 56)
    dumped = Config.fromfile(work_dir / 'weaktr_custom.py')
    assert (dumped.val_dataloader is not None) == masks  # without one, nothing is to be scored
    names = discover_classes(str(tmp_path / 'my data'))
    for row in read_manifest(str(tmp_path / 'my data/labels.csv')):
        mask = read_mask((work_dir / 'masks' / row.image).with_suffix('.png'))
        assert mask.shape == (40, 56)
        assert {names[label] for label in np.unique(mask)} <= {'background', *row.names}


def test_masks_of_an_interrupted_stage_are_kept_and_trusted_ones_stand_in(tmp_path, monkeypatch):
    make_folder(tmp_path / 'my data', 2, masks=True)
    cfg = load(monkeypatch, tmp_path)
    RUNNERS.build(cfg).train()
    folder = tmp_path / 'work_dirs/weaktr_custom/masks/trip'
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob('*.png')}
    assert len(before) == NUM_IMAGES
    (folder / 'photo 2.png').unlink()
    run = Run(cfg, tmp_path / 'work_dirs/weaktr_custom')
    run.cfg.work_dir = str(run.work_dir)
    run.results['retrain'] = json.loads((run.work_dir / 'state.json').read_text('utf-8'))['stages'][
        'retrain'
    ]['results']
    trusted = np.full((40, 56), 2, np.uint8)
    write_mask(tmp_path / 'trusted/trip/photo 3.png', trusted, voc_palette(3))
    cfg.pseudo_labels.trusted_masks = str(tmp_path / 'trusted')
    results = write_final_masks(run, resumes=True)
    assert results['masks'] == NUM_IMAGES
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob('*.png')}
    assert {name for name in after if after[name] != before[name]} == {'photo 2.png', 'photo 3.png'}
    assert (read_mask(folder / 'photo 3.png') == 2).all()


def test_training_opens_no_mask(tmp_path, monkeypatch):
    make_folder(tmp_path / 'my data', 2, masks=True)
    cfg = load(monkeypatch, tmp_path)
    opened = []
    real_open = builtins.open

    def spy(file, *args, **kwargs):
        opened.append(str(file))
        return real_open(file, *args, **kwargs)

    from mmseg.registry import DATASETS

    stage = cfg.cam_stage.train_dataloader.dataset
    monkeypatch.setattr(builtins, 'open', spy)
    dataset = DATASETS.build(stage)
    for index in range(len(dataset)):
        dataset[index]
    assert any(path.endswith('.jpg') for path in opened)
    assert not any('/masks/' in path for path in opened)


@pytest.mark.parametrize(
    ('encoder', 'width', 'patch'),
    [('deit-s', 384, 16), ('deit-b', 768, 16), ('dinov2-s', 384, 14), ('dinov2-b', 768, 14)],
)
@pytest.mark.parametrize('data', ['voc', 'custom'])
def test_other_encoders_of_the_cam_stage(tmp_path, monkeypatch, data, encoder, width, patch):
    make_folder(tmp_path / 'my data', 3, masks=False)
    monkeypatch.setenv('WEAKTR_DATA', str(tmp_path / 'my data'))
    init_default_scope('mmseg')
    default = dict(voc='deit-s', custom='dinov2-s')[data]
    leaf = f'weaktr_{data}_cam' + (f'_{encoder}' if encoder != default else '')
    model = Config.fromfile(CONFIGS / f'{leaf}.py').model
    assert model.backbone.pop('init_cfg') == dict(type='WeakTrPretrained', checkpoint=encoder)
    with torch.device('meta'):
        network = MODELS.build(model)
    classes = dict(voc=20, custom=3)[data]
    assert network.backbone.cls_token.shape == (1, classes, width)
    assert network.backbone.pos_embed.shape == (1, classes + (224 // patch) ** 2, width)
    assert network.cam_head.classifier.weight.shape == (classes, width, 3, 3)
    dinov2 = encoder.startswith('dinov2')
    assert hasattr(network.backbone, 'ln1') == dinov2
    assert hasattr(network.backbone.layers[0].attn.gamma1, 'weight') == dinov2


def test_both_stages_train_on_a_model_of_timm(tmp_path, monkeypatch):
    pytest.importorskip('timm')
    make_folder(tmp_path / 'my data', 2, masks=False)
    monkeypatch.setenv('WEAKTR_TIMM', 'eva02_tiny_patch14_224')
    cfg = load(monkeypatch, tmp_path, 'weaktr_custom_timm.py')
    assert cfg.model.decode_head.patch_size == 14
    for stage in (cfg, cfg.cam_stage):
        assert stage.model.backbone.model_name == 'eva02_tiny_patch14_224'
        assert stage.model.backbone.pretrained
        assert stage.model.data_preprocessor.mean == pytest.approx([122.77, 116.75, 104.09], 1e-4)
        del stage.model.backbone['arch'], stage.model.backbone['init_cfg']
        size = dict(embed_dim=WIDTH, depth=2, num_heads=2, img_size=56, pretrained=False)
        stage.model.backbone.update(size)
    cfg.cam_stage.model.backbone.img_size = 224  # of the crops
    RUNNERS.build(cfg).train()
    work_dir = tmp_path / 'work_dirs/weaktr_custom_timm'
    assert (
        json.loads((work_dir / 'summary.json').read_text(encoding='utf-8'))['metrics']['image_map']
        is not None
    )


def test_both_stages_start_from_what_a_user_names(tmp_path, monkeypatch):
    make_folder(tmp_path / 'my data', 3, masks=False)
    monkeypatch.setenv('WEAKTR_DATA', str(tmp_path / 'my data'))
    for value, expected in ((None, 'dinov2-s'), ("C:\\it's here\\x.pth", "C:\\it's here\\x.pth")):
        monkeypatch.delenv('WEAKTR_PRETRAINED', raising=False)
        if value is not None:
            monkeypatch.setenv('WEAKTR_PRETRAINED', value)
        cfg = resolve_pipeline(Config.fromfile(CONFIGS / 'weaktr_custom.py'))
        for stage in (cfg, cfg.cam_stage):
            init_cfg = stage.model.backbone.init_cfg
            assert init_cfg == dict(type='WeakTrPretrained', checkpoint=expected)


def test_training_takes_a_published_file_as_it_is(tmp_path, monkeypatch):
    """No command comes before: photographs, labels.csv, and DINOv2 in its official layout."""
    make_folder(tmp_path / 'my data', 1, masks=False)
    published = stand_in('dinov2', grid=5, patch=14, width=WIDTH, mlp=WIDTH, heads=2)
    torch.save(published, tmp_path / 'dinov2.pth')
    monkeypatch.setenv('WEAKTR_PRETRAINED', str(tmp_path / 'dinov2.pth'))
    cfg = load(monkeypatch, tmp_path)
    named = resolve_pipeline(Config.fromfile(CONFIGS / 'weaktr_custom.py'))
    for stage, whole in ((cfg, named), (cfg.cam_stage, named.cam_stage)):
        stage.model.backbone.init_cfg = whole.model.backbone.init_cfg
        stage.optim_wrapper.optimizer.lr = 0
    RUNNERS.build(cfg).train()
    name, theirs = 'backbone.layers.1.attn.proj.bias', published['blocks.1.attn.proj.bias']
    trained = list((tmp_path / 'work_dirs').rglob('epoch_1.pth'))
    assert len({path.parent for path in trained}) == 2
    for path in trained:
        assert torch.equal(load_state_dict(str(path))[name], theirs)


def test_custom_data_with_the_encoder_of_the_paper(tmp_path, monkeypatch):
    make_folder(tmp_path / 'my data', 3, masks=False)
    monkeypatch.setenv('WEAKTR_DATA', str(tmp_path / 'my data'))
    cfg = resolve_pipeline(Config.fromfile(CONFIGS / 'weaktr_custom_deit-s.py'))
    for stage in (cfg, cfg.cam_stage):
        assert stage.model.backbone.init_cfg.checkpoint == 'deit-s'
        assert not stage.model.backbone.get('layer_scale_init_value')


def test_the_checkers_json_stands_alone_on_stdout(tmp_path):
    """Also where the frameworks log how they read the config and the split that is scored."""
    make_folder(tmp_path, num_classes=2, masks=True)
    environment = {**os.environ, 'WEAKTR_DATA': str(tmp_path), 'PYTHONPATH': str(CONFIGS.parent)}
    tool = CONFIGS.parent / 'tools/check_data.py'
    command = [sys.executable, str(tool), str(CONFIGS / 'weaktr_custom.py'), '--quick', '--json']
    done = subprocess.run(command, capture_output=True, encoding='utf-8', env=environment)
    report = json.loads(done.stdout)
    assert report['datasets'], done.stderr
    assert 'have a mask' in done.stderr
