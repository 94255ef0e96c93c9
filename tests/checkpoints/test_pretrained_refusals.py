"""What an encoder cannot start from is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from stand_ins import (
    ARCH,
    CONTAINERS,
    DEPTH,
    LAYOUTS,
    WIDTH,
    backbone_cfg,
    save,
    stages_of,
    stand_in,
    start,
    trained_cam_encoder,
)

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.utils.errors import WeakTrInputError


@contextmanager
def one_line(message: str) -> Iterator[None]:
    """Expects an error of one line."""
    with pytest.raises(WeakTrInputError, match=message) as caught:
        yield
    assert '\n' not in str(caught.value)


FAULTS = {
    'other width': (
        dict(width=48),
        {},
        'expected an encoder of width 24 with 2 layers, got width 48',
    ),
    'other depth': (
        {},
        dict(arch=dict(ARCH, num_layers=3)),
        'with 3 layers, got width 24 with 2 layers; .*arch',
    ),
    'other MLP': ({}, dict(arch=dict(ARCH, feedforward_channels=8)), r'expected \(8, 24\), got'),
    'no LayerScale': (
        {},
        dict(layer_scale_init_value=1e-5),
        r'lacks .*gamma.*\(LayerScale of DINOv2',
    ),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_what_does_not_fit_is_one_line_with_the_file(tmp_path, fault):
    sizes, options, message = FAULTS[fault]
    path = save(stand_in('deit', **sizes), tmp_path / 'x.pth')
    with one_line(rf'x\.pth: .*{message}'):
        start(backbone_cfg('deit', 'retrain', **options), path)


def test_layer_scale_without_a_place_is_named(tmp_path):
    path = save(stand_in('dinov2'), tmp_path / 'x.pth')
    with one_line(r'no place for .*gamma.* and \d+ more|gamma'):
        start(backbone_cfg('deit', 'cam'), path)


def test_class_tokens_of_other_classes_and_the_other_stage_are_refused(tmp_path):
    path = save(trained_cam_encoder('deit', num_classes=3), tmp_path / 'x.pth')
    for stage, expected in (('cam', '1 or 5'), ('retrain', '1')):
        message = rf'^{re.escape(str(path))}: cls_token: expected {expected} class tokens, got 3, '
        with one_line(message):
            start(backbone_cfg('deit', stage), path)


def test_an_encoder_of_timm_has_a_loading_of_its_own(tmp_path):
    pytest.importorskip('timm')
    cfg = dict(type='WeakTrTimmSegmenterViT', model_name='vit_tiny_patch16_224', depth=1)
    path = save(stand_in('deit'), tmp_path / 'x.pth')
    with one_line(r'x\.pth: expected WeakTrViT.*got WeakTrTimm.*pretr'):
        start(cfg, path)


def test_checkpoints_of_a_whole_network_are_refused(tmp_path):
    init_default_scope('mmseg')
    backbone = MODELS.build(backbone_cfg('deit', 'cam'))
    state = {f'backbone.{name}': value for name, value in backbone.state_dict().items()}
    state['cam_head.classifier.weight'] = torch.zeros(5, WIDTH, 3, 3)
    path = save(state, tmp_path / 'x.pth')
    with one_line(r'x\.pth: is the CAM stage .*loaded with load_from'):
        start(backbone_cfg('deit', 'retrain'), path)


@pytest.mark.parametrize('container', CONTAINERS)
def test_truncated_files_and_unknown_layouts(tmp_path, container):
    pytest.importorskip('safetensors')
    path = save(stand_in('deit'), tmp_path / f'x{container}')
    path.write_bytes(path.read_bytes()[:-2000])
    with one_line(rf'x\{container}: refused, only tensors'):
        start(backbone_cfg('deit', 'cam'), path)
    save({'conv1.weight': torch.zeros(1)}, path)
    with one_line(rf'x\{container}: unknown layout.*: conv1\.weight'):
        start(backbone_cfg('deit', 'cam'), path)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    class Call:
        def __reduce__(self):
            return open, (str(tmp_path / 'trap'), 'w')

    torch.save({**stand_in('deit'), 'extra': Call()}, tmp_path / 'x.pth')
    message = r'x\.pth: refused, .*it asks for io\.open'
    with one_line(message):
        start(backbone_cfg('deit', 'cam'), tmp_path / 'x.pth')
    assert not (tmp_path / 'trap').exists()


def test_surplus_and_missing_parameters_are_named(tmp_path):
    for layout in LAYOUTS:
        state = stand_in(layout)
        removed = next(name for name in state if f'{DEPTH - 1}' in name and 'norm' in name.lower())
        del state[removed]
        path = save({**state, 'surplus.weight': torch.zeros(1)}, tmp_path / f'{layout}.pth')
        with one_line(rf'{layout}\.pth: looks like (?=.*missing).*surplus'):
            start(backbone_cfg(layout, stages_of(layout)[0]), path)
