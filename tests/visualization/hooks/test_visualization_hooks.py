from __future__ import annotations

import json
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.visualization import Visualizer
from mmseg.structures import SegDataSample
from PIL import Image
from torch import nn

from weaktr_mmseg.models import AdaptiveAttentionFusion
from weaktr_mmseg.visualization import WeakTrCAMVisualizationHook, WeakTrHeadWeightHook

META = dict(classes=('background', 'cat', 'dog'), palette=[[0, 0, 0], [255, 0, 0], [0, 255, 0]])


@pytest.fixture
def runner(tmp_path):
    """As much of a runner as the hooks touch, with 3 layers of 2 heads."""
    backbone = nn.Module()
    torch.manual_seed(0)
    backbone.attention_fusion = AdaptiveAttentionFusion(
        3, 2, 8, reduction=2, feature_reduction=2
    ).eval()
    model = nn.Module()
    model.backbone = backbone
    visualizer = Visualizer(vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path))
    dataset = SimpleNamespace(metainfo=META)
    loader = SimpleNamespace(dataset=dataset)
    return SimpleNamespace(model=model, visualizer=visualizer, epoch=5, val_dataloader=loader)


def pooled(batch: int) -> list[torch.Tensor]:
    return [torch.randn(batch, 2, 8) for _ in range(3)]


def test_head_weights_are_averaged_over_all_passes(runner, tmp_path):
    fusion = runner.model.backbone.attention_fusion
    hook = WeakTrHeadWeightHook(str(tmp_path / 'weights.json'))
    hook.before_test(runner)
    with torch.no_grad():
        weights = torch.cat([fusion(pooled(3)), fusion(pooled(1))])  # (4, heads, layers)
    hook.after_test(runner)
    fusion(pooled(2))  # no longer heard
    content = json.loads((tmp_path / 'weights.json').read_text(encoding='utf-8'))
    assert content['passes'] == 4
    np.testing.assert_allclose(content['mean'], weights.mean(0).T, atol=1e-6)
    np.testing.assert_allclose(content['std'], weights.std(0, correction=0).T, atol=1e-5)


def make_batch(count: int):
    inputs = [torch.full((3, 24, 24), 10 * i, dtype=torch.uint8) for i in range(count)]
    samples = []
    for index in range(count):
        sample = SegDataSample(metainfo=dict(img_path=f'x/{index}.jpg'))
        present = index % 2  # every second image has no class
        sample.set_field(torch.arange(present), 'cam_classes')
        sample.set_field(torch.rand(present, 48, 30), 'cams')  # of the whole, not of the crop
        samples.append(sample)
    return dict(inputs=inputs), samples


def test_pictures_reach_the_backends_at_each_interval(runner, tmp_path):
    fusion = runner.model.backbone.attention_fusion
    hook = WeakTrCAMVisualizationHook(images=3, interval=2)
    for epoch in (5, 6, 7):
        runner.epoch = epoch
        hook.before_val_epoch(runner)
        for _ in range(2):
            with torch.no_grad():
                fusion(pooled(2))
            hook.after_val_iter(runner, 0, *make_batch(2))
        hook.after_val_epoch(runner, {})
    names = sorted(path.name for path in (tmp_path / 'vis_data/vis_image').iterdir())
    assert names == ['cams_5.png', 'cams_7.png', 'head_weights_5.png', 'head_weights_7.png']
    with Image.open(tmp_path / 'vis_data/vis_image/cams_5.png') as picture:
        width, height = picture.size
    assert height > width  # three rows of three panels
    assert not fusion._forward_hooks


def test_tensorboard_shows_the_pictures(runner, tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    backends = [dict(type='TensorboardVisBackend')]
    runner.visualizer = Visualizer(vis_backends=backends, save_dir=str(tmp_path))
    hook = WeakTrCAMVisualizationHook(images=2)
    hook.before_val_epoch(runner)
    with torch.no_grad():
        runner.model.backbone.attention_fusion(pooled(2))
    hook.after_val_iter(runner, 0, *make_batch(2))
    hook.after_val_epoch(runner, {})
    runner.visualizer.close()

    events = EventAccumulator(str(tmp_path / 'vis_data'))
    events.Reload()
    for name in ('cams', 'head_weights'):
        (picture,) = events.Images(name)
        assert picture.step == 5
        with Image.open(BytesIO(picture.encoded_image_string)) as image:
            assert np.ptp(np.asarray(image)) > 200


def test_several_scales_show_the_first(runner):
    hook = WeakTrCAMVisualizationHook(images=1)
    hook.before_val_epoch(runner)
    batch, samples = make_batch(2)
    scales = dict(inputs=[batch['inputs'], [torch.zeros(3, 9, 9, dtype=torch.uint8)] * 2])
    hook.after_val_iter(runner, 0, scales, samples)
    assert hook._rows[0]['image'].shape == (24, 24, 3)
    hook._listener.remove()


def test_arguments():
    with pytest.raises(ValueError, match='expected at least 1, got images=0'):
        WeakTrCAMVisualizationHook(images=0)
