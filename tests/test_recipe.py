"""What the configs build has the hyper-parameters of the published recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpretrain.datasets.transforms import RandAugment, RandomErasing
from mmseg.registry import MODELS, TRANSFORMS
from torch import nn

import weaktr_mmseg  # noqa: F401

CONFIGS = Path(__file__).parents[1] / 'configs'
IMAGENET = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
ROUNDED = [123.68, 116.28, 103.53], [58.40, 57.12, 57.38]  # as in the original's retraining
NORMALISATION = {
    '': ([127.5] * 3, [127.5] * 3),
    '_deit-s': ROUNDED,
    '_dinov2-s': ROUNDED,
    '_eva02-s': ([122.77, 116.75, 104.09], [68.50, 66.63, 70.32]),
}
DATA = {'voc': 20, 'coco': 80}


@pytest.fixture(autouse=True)
def mmseg_scope() -> None:
    """Look up names in mmseg's registries, as a run from a config does."""
    init_default_scope('mmseg')


def build(leaf: str) -> tuple[Config, nn.Module]:
    """Build the model of a config without its pretrained weights."""
    cfg = Config.fromfile(CONFIGS / f'{leaf}.py')
    cfg.model.backbone.pop('init_cfg')
    return cfg, MODELS.build(cfg.model)


def transforms(cfg: Config, loader: str = 'train') -> dict[str, dict]:
    """Return the transforms of a pipeline by type."""
    return {step.type: step for step in cfg[f'{loader}_dataloader'].dataset.pipeline}


def drop_path_rates(layers: Any, name: str = 'ffn.dropout_layer') -> list[float]:
    """Return the stochastic depth rate of every layer."""
    return [getattr(layer.get_submodule(name), 'drop_prob', 0.0) for layer in layers]


@pytest.mark.parametrize(('data', 'rate'), [('voc', 6e-4 * 64 / 512), ('coco', 2e-4 * 64 / 512)])
def test_cam_stage(data, rate):
    cfg, model = build(f'weaktr_{data}_cam')
    backbone = model.backbone
    assert backbone.cls_token.shape == (1, DATA[data], 384)
    assert backbone.pos_embed.shape == (1, DATA[data] + 14 * 14, 384)
    assert (len(backbone.layers), backbone.layers[0].attn.num_heads) == (12, 6)
    assert backbone.layers[0].ln1.eps == 1e-6
    assert drop_path_rates(backbone.layers)[-1] == pytest.approx(0.1)
    assert backbone.attention_fusion.pooling == 'max'
    assert backbone.attention_fusion.head_ffn[0].weight.shape == (9, 72)  # r = 8
    assert backbone.attention_fusion.feature_ffn[0].weight.shape == (8, 64)  # r_f = 8
    assert_normalises(model, *IMAGENET)

    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    cfg.optim_wrapper.pop('loss_scale', None)
    optimizer = build_optim_wrapper(model, {**cfg.optim_wrapper, 'type': 'OptimWrapper'}).optimizer
    assert isinstance(optimizer, torch.optim.AdamW)
    for group in optimizer.param_groups:
        assert group['lr'] == pytest.approx(rate)
        assert (group['weight_decay'], group['eps']) == (0.03, 1e-8)
    assert (cfg.train_dataloader.batch_size, cfg.train_cfg.max_epochs) == (64, 60)


@pytest.mark.parametrize('data', DATA)
def test_augmentation_of_the_cam_stage(data):
    steps = transforms(Config.fromfile(CONFIGS / f'weaktr_{data}_cam.py'))
    crop = steps['mmpretrain.RandomResizedCrop']
    assert (crop.scale, crop.interpolation, crop.backend) == (224, 'bicubic', 'pillow')
    assert tuple(crop.crop_ratio_range) == (0.08, 1.0)
    assert tuple(crop.aspect_ratio_range) == (3 / 4, 4 / 3)
    assert steps['RandomFlip'].prob == 0.5

    policy = TRANSFORMS.build(steps['RandAugment'])
    assert isinstance(policy, RandAugment)
    assert (policy.num_policies, policy.magnitude_level, policy.magnitude_std) == (2, 9, 0.5)
    ranges = {item['type']: item.get('magnitude_range') for item in policy.policies}
    assert len(policy.policies) == 15
    assert ranges['Rotate'] == (0, 30)
    assert ranges['Posterize'] == (4, 0)  # stronger with a higher magnitude

    erasing = TRANSFORMS.build(steps['mmpretrain.RandomErasing'])
    assert isinstance(erasing, RandomErasing)
    assert (erasing.erase_prob, erasing.mode) == (0.25, 'rand')
    assert (erasing.min_area_ratio, erasing.max_area_ratio) == (0.02, 1 / 3)
    assert erasing.aspect_range == (3 / 10, 10 / 3)
    assert list(erasing.fill_std) == IMAGENET[1][::-1]


@pytest.mark.parametrize(('data', 'scales'), [('voc', [1.0, 1.2]), ('coco', [1.0, 0.8, 1.2])])
def test_scales_of_pseudo_labels(data, scales):
    steps = transforms(Config.fromfile(CONFIGS / f'weaktr_{data}_cam.py'), 'test')
    assert steps['WeakTrMultiScale'].scales == scales


@pytest.mark.parametrize(
    ('data', 'threshold', 'preset'), [('voc', 0.43, 'voc_cam'), ('coco', 0.42, 'coco_cam')]
)
@pytest.mark.parametrize('encoder', NORMALISATION)
def test_pseudo_labels(data, threshold, preset, encoder):
    rule = Config.fromfile(CONFIGS / f'weaktr_{data}{encoder}.py').pseudo_labels
    assert rule.threshold == threshold
    assert rule.refine == dict(type='DenseCRF', preset=preset)


@pytest.mark.parametrize('encoder', NORMALISATION)
@pytest.mark.parametrize('data', DATA)
def test_retraining(data, encoder):
    cfg, model = build(f'weaktr_{data}{encoder}')
    backbone, head = model.backbone, model.decode_head
    assert backbone.pos_embed.shape == (1, 1 + 30 * 30, 384)
    assert backbone.interpolate_mode == ('bilinear' if encoder else 'bicubic')
    assert {module.eps for module in model.modules() if isinstance(module, nn.LayerNorm)} == {1e-5}
    path = 'drop_path' if encoder == '_eva02-s' else 'ffn.dropout_layer'
    assert drop_path_rates(backbone.layers, path)[-1] == pytest.approx(0.1)
    assert hasattr(backbone.layers[0].attn, 'q_bias') == (encoder == '_eva02-s')
    gamma = getattr(backbone.layers[0].attn, 'gamma1', nn.Identity())
    assert isinstance(gamma, nn.Identity) == (encoder != '_dinov2-s')
    assert_normalises(model, *NORMALISATION[encoder])

    assert (len(head.layers), head.layers[0].attn.num_heads, head.patch_size) == (2, 6, 16)
    assert head.num_classes == DATA[data] + 1
    assert {module.p for module in head.layers.modules() if type(module) is nn.Dropout} == {0.1}
    assert {layer.attn.attn.dropout for layer in head.layers} == {0.1}
    assert drop_path_rates(head.layers) == [0.0, 0.0]
    assert (head.loss_decode.patch_size, head.loss_decode.start) == (120, 1.2)
    assert head.loss_decode.images_per_group == {'voc': None, 'coco': 1}[data]

    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    assert isinstance(optimizer, torch.optim.SGD)
    encoder_parameters = {id(parameter) for parameter in backbone.parameters()}
    for group in optimizer.param_groups:
        in_encoder = {id(parameter) in encoder_parameters for parameter in group['params']}
        assert group['lr'] == pytest.approx(1e-5 if in_encoder == {True} else 1e-4)
        assert len(in_encoder) == 1
        assert (group['momentum'], group['nesterov'], group['weight_decay']) == (0.9, True, 0)
    assert (cfg.train_dataloader.batch_size, cfg.train_cfg.max_epochs) == (4, 100)


@pytest.mark.parametrize('encoder', ['vit-b', 'dinov2-b', 'eva02-b'])
@pytest.mark.parametrize('data', DATA)
def test_retraining_of_base_encoders(data, encoder):
    cfg = Config.fromfile(CONFIGS / f'weaktr_{data}_{encoder}.py')
    init_cfg = cfg.model.backbone.pop('init_cfg')
    published = {'vit-b': 'vit-b-augreg'}.get(encoder, encoder)
    assert init_cfg == dict(type='WeakTrPretrained', checkpoint=published)
    model = MODELS.build(cfg.model)
    backbone, head = model.backbone, model.decode_head
    assert backbone.pos_embed.shape == (1, 1 + 30 * 30, 768)
    assert len(backbone.layers) == 12
    assert head.layers[0].attn.num_heads == 12
    assert head.num_classes == DATA[data] + 1
    assert {module.eps for module in model.modules() if isinstance(module, nn.LayerNorm)} == {1e-5}
    mlp_norm = isinstance(
        getattr(getattr(backbone.layers[0], 'mlp', None), 'norm', None), nn.LayerNorm
    )
    assert mlp_norm == (encoder == 'eva02-b')
    gamma = getattr(backbone.layers[0].attn, 'gamma1', nn.Identity())
    assert isinstance(gamma, nn.Identity) == (encoder != 'dinov2-b')
    assert head.loss_decode.images_per_group == {'voc': None, 'coco': 1}[data]


@pytest.mark.parametrize('data', DATA)
def test_images_of_retraining(data):
    cfg = Config.fromfile(CONFIGS / f'weaktr_{data}.py')
    steps = transforms(cfg)
    assert tuple(steps['RandomResize'].scale) == (8 * 520, 520)
    assert tuple(steps['RandomResize'].ratio_range) == (0.5, 2.0)
    assert tuple(steps['RandomCrop'].crop_size) == (480, 480)
    assert (steps['RandomCrop'].cat_max_ratio, steps['RandomFlip'].prob) == (0.75, 0.5)
    assert 'PhotoMetricDistortion' in steps

    resizes, flips = cfg.tta_pipeline[1].transforms[:2]
    ratios = [resize.scale[1] / 520 for resize in resizes]
    assert ratios == pytest.approx([0.5, 0.75, 1.0, 1.25, 1.5, 1.75])
    assert [flip.prob for flip in flips] == [0.0, 1.0]
    assert cfg.tta_model.refine == dict(type='DenseCRF', preset=f'{data}_seg')
    assert tuple(cfg.tta_model.readout_weights) == (0.8, 1.0)
    assert cfg.model.test_cfg.enlarge_small


@pytest.mark.parametrize(('leaf', 'batch'), [('weaktr_voc_cam', 64), ('weaktr_voc', 4)])
def test_learning_rate_grows_with_the_number_of_processes(leaf, batch, tmp_path):
    cfg = Config.fromfile(CONFIGS / f'{leaf}.py')
    model = nn.Linear(1, 1)
    optimizer = dict(type='OptimWrapper', optimizer=cfg.optim_wrapper.optimizer)
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=dict(batch_size=batch),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=optimizer,
        experiment_name=tmp_path.name,
    )
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner._world_size = 4
    runner.scale_lr(runner.optim_wrapper, cfg.auto_scale_lr)
    rate = runner.optim_wrapper.optimizer.param_groups[0]['lr']
    assert rate == pytest.approx(4 * cfg.optim_wrapper.optimizer.lr)


def assert_normalises(model: nn.Module, mean: list[float], std: list[float]) -> None:
    """Check the data preprocessor, which converts BGR to RGB."""
    preprocessor = model.data_preprocessor
    assert preprocessor.mean.flatten().tolist() == pytest.approx(mean, abs=1e-4)
    assert preprocessor.std.flatten().tolist() == pytest.approx(std, abs=1e-4)
    bgr = torch.tensor(mean).flip(0).view(3, 1, 1).expand(3, 16, 16)
    (normalised,) = preprocessor(dict(inputs=[bgr]))['inputs']
    if isinstance(normalised, list):  # one tensor a scale
        (normalised,) = normalised
    assert normalised.abs().max() < 1e-4


def test_mixed_precision_is_switched_off_by_the_documented_option():
    """As docs/own_data.md and docs/faq.md say; keys of AmpOptimWrapper alone would be refused."""
    cfg = Config.fromfile(CONFIGS / 'weaktr_voc_cam.py')
    cfg.merge_from_dict({'optim_wrapper.type': 'OptimWrapper'})
    build_optim_wrapper(nn.Linear(2, 2), cfg.optim_wrapper)
