"""The exported file computes what the segmentor computes, without this package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.utils.errors import WeakTrInputError

from looping import some

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

from weaktr_mmseg.apis.onnx import (  # noqa: E402
    OnnxSegmentor,
    compare_with_onnxruntime,
    export_onnx,
    export_segmentor,
)
from weaktr_mmseg.apis.onnx.export_segmentor import usual_shapes  # noqa: E402
from weaktr_mmseg.apis.onnx.onnx_check import predict_whole  # noqa: E402

ROOT = Path(__file__).parents[3]
ARCH = dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=48)
CLASSES, PATCH, SIDE = 3, 8, 32
BACKBONES = {
    'vit': dict(type='mmpretrain.VisionTransformer'),
    'lean vit': dict(type='WeakTrSegmenterViT'),
    'dinov2': dict(type='mmpretrain.VisionTransformer', layer_scale_init_value=0.5),
    'eva02': dict(type='WeakTrEVA02'),
}
SHAPES = [(1, 32, 32), (2, 24, 40), (3, 45, 60), (1, 8, 8), (1, 24, 40), (1, 7, 97)]


def model_config(encoder: str = 'vit', patch_size: int | None = PATCH, **preprocessor) -> dict:
    normalisation = dict(mean=[120.0, 110.0, 100.0], std=[50.0, 55.0, 60.0], bgr_to_rgb=True)
    return dict(
        type='WeakTrSegmentor',
        data_preprocessor=dict(type='SegDataPreProcessor', **{**normalisation, **preprocessor}),
        backbone=dict(
            arch=ARCH,
            img_size=SIDE,
            patch_size=PATCH,
            out_type='featmap',
            interpolate_mode='bilinear',
            **BACKBONES[encoder],
        ),
        decode_head=dict(
            type='WeakTrGradientClippingHead',
            patch_size=patch_size,
            in_channels=32,
            channels=32,
            embed_dims=32,
            num_layers=2,
            num_heads=2,
            num_classes=CLASSES,
        ),
        test_cfg=dict(mode='slide', crop_size=(16, 16), stride=(8, 8)),
    )


def build(config: dict) -> torch.nn.Module:
    """Build a segmentor whose every parameter matters, position grid included."""
    init_default_scope('mmseg')
    model = MODELS.build(Config(dict(model=config)).model)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    model.train(False)
    return model


@pytest.fixture(scope='module')
def exported(tmp_path_factory) -> tuple[torch.nn.Module, Path]:
    """A plain ViT and its file."""
    model, path = build(model_config()), tmp_path_factory.mktemp('onnx') / 'model.onnx'
    export_onnx(model, path, metainfo=dict(classes=['background', 'cat', 'dog']))
    return model, path


@pytest.mark.parametrize('encoder', BACKBONES)
def test_equals_pytorch_at_every_size(encoder, tmp_path):
    model = build(model_config(encoder))
    export_onnx(model, tmp_path / 'model.onnx')
    for comparison in some(compare_with_onnxruntime(model, tmp_path / 'model.onnx', SHAPES)):
        assert comparison.max_difference < 1e-4, comparison
        assert comparison.agreement > 0.999, comparison


def test_equals_pytorch_when_the_head_squeezes_the_padding(tmp_path):
    model = build(model_config(patch_size=None, bgr_to_rgb=False))
    export_onnx(model, tmp_path / 'model.onnx')
    for comparison in some(compare_with_onnxruntime(model, tmp_path / 'model.onnx', SHAPES)):
        assert comparison.max_difference < 1e-4, comparison


def test_refinement_of_the_config_is_left_out(exported):
    model, path = exported
    config = model_config()
    config['test_cfg']['refine'] = dict(type='DenseCRF', preset='voc_seg')
    refined = build(config)
    refined.load_state_dict(model.state_dict())
    assert refined.refiner is not None
    assert compare_with_onnxruntime(refined, path, [(1, 24, 40)])[0].max_difference < 1e-4
    assert refined.refiner is not None


def test_comparison_finds_another_model(exported):
    _, path = exported
    other = build(model_config())
    with torch.no_grad():
        other.backbone.pos_embed.mul_(1.05)
    assert compare_with_onnxruntime(other, path, [(1, 40, 24)])[0].max_difference > 1e-3


@pytest.mark.parametrize(
    ('change', 'difference', 'agreement'),
    [
        (lambda logits: logits[..., 1:], float('inf'), 0.0),  # another shape
        (lambda logits: logits[:, [1, 2, 0]] + 9, None, 0.0),  # other classes win
        (lambda logits: logits, 0.0, 1.0),
    ],
)
def test_comparison_says_how_much_differs(exported, monkeypatch, change, difference, agreement):
    model, path = exported

    class Session:
        def run(self, names, inputs):
            return [change(predict_whole(model, torch.from_numpy(inputs['image'])).numpy())]

    monkeypatch.setattr(onnxruntime, 'InferenceSession', lambda *_, **__: Session())
    (found,) = compare_with_onnxruntime(model, path, [(2, 16, 24)])
    assert found.shape == (2, 16, 24)
    assert found.agreement == agreement
    assert found.max_difference == difference if difference is not None else found[1] > 5


def test_position_grid_is_traced_at_another_size_than_the_trained_one():
    graph = OnnxSegmentor(build(model_config()))
    height, width = graph.example().shape[1:3]
    assert (height // PATCH, width // PATCH) != graph.trained_grid


def test_export_leaves_the_segmentor_as_it_was(exported):
    model, _ = exported
    assert model.test_cfg['mode'] == 'slide'
    if hasattr(torch.backends, 'mha'):  # PyTorch 2.1 has no such switch
        assert torch.backends.mha.get_fastpath_enabled()
    predict_whole(model, torch.zeros(1, 16, 24, 3, dtype=torch.uint8))
    assert model.test_cfg['mode'] == 'slide'


def test_metadata_names_the_classes(exported):
    session = onnxruntime.InferenceSession(str(exported[1]))
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata['classes']) == ['background', 'cat', 'dog']


SNIPPET = (
    (ROOT / 'docs/onnx.md').read_text(encoding='utf-8').split('```python\n')[1].split('```')[0]
)


def test_documented_snippet_runs_without_this_package(exported, tmp_path):
    from PIL import Image

    model, path = exported
    pixels = np.random.default_rng(0).integers(0, 256, (45, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'photo.png')
    (tmp_path / 'model.onnx').write_bytes(path.read_bytes())
    (tmp_path / 'snippet.py').write_text(
        SNIPPET.replace('photo.jpg', 'photo.png')
        + '\nimport sys; assert not {"torch", "mmseg", "weaktr_mmseg"} & set(sys.modules)\n',
        encoding='utf-8',
    )
    subprocess.run([sys.executable, '-I', 'snippet.py'], cwd=tmp_path, check=True)
    mask = np.asarray(Image.open(tmp_path / 'mask.png'))
    expected = predict_whole(model, torch.from_numpy(pixels)[None]).argmax(1)[0].numpy()
    assert mask.shape == expected.shape
    assert (mask == expected).mean() > 0.999


def run_config() -> Config:
    """Config of a run, as far as inference reads it."""
    dataset = dict(type='WeakTrVOCDataset', pipeline=[])
    return Config(dict(model=model_config(), test_dataloader=dict(dataset=dataset)))


def save_run(path: Path, model: torch.nn.Module) -> None:
    """Write a checkpoint as mmengine does, log history included."""
    meta = dict(
        dataset_meta=dict(classes=('background', 'a', 'b'), palette=[[0] * 3, [1, 2, 3], [9, 8, 7]])
    )
    history = dict(loss=HistoryBuffer([1.0], [1]))
    torch.save(dict(meta=meta, state_dict=model.state_dict(), message_hub=history), path)


def test_from_config_and_checkpoint(tmp_path):
    model = build(model_config())
    save_run(tmp_path / 'run.pth', model)
    comparisons = export_segmentor(
        run_config(), tmp_path / 'run.pth', tmp_path / 'out/model.onnx', sizes=[(20, 30)]
    )
    assert [item.shape for item in comparisons][-1] == (1, 20, 30)
    assert max(item.max_difference for item in comparisons) < 1e-4
    metadata = onnxruntime.InferenceSession(str(tmp_path / 'out/model.onnx')).get_modelmeta()
    assert json.loads(metadata.custom_metadata_map['classes']) == ['background', 'a', 'b']
    assert json.loads(metadata.custom_metadata_map['palette'])[2] == [9, 8, 7]


def test_usual_shapes_are_near_the_trained_one_and_no_multiples_of_the_patch():
    shapes = usual_shapes(build(model_config()))
    assert shapes == [(1, SIDE, SIDE), (1, 25, 39), (2, 13, 21)]


def test_checkpoint_of_another_model_is_refused(tmp_path):
    save_run(tmp_path / 'run.pth', build(model_config('eva02')))
    with pytest.raises(WeakTrInputError, match=r'run\.pth: is not of this config'):
        export_segmentor(run_config(), tmp_path / 'run.pth', tmp_path / 'o')
    assert not (tmp_path / 'o').exists()


def test_cam_stage_is_refused(tmp_path):
    save_run(tmp_path / 'run.pth', build(model_config()))
    cfg = Config.fromfile(ROOT / 'configs/weaktr_demo_cam.py')
    with pytest.raises(WeakTrInputError, match='got the model WeakTrCAMSegmentor'):
        export_segmentor(cfg, tmp_path / 'run.pth', tmp_path / 'o')


def test_low_opset_is_refused(exported, tmp_path):
    with pytest.raises(ValueError, match='opset: expected at least 14'):
        export_onnx(exported[0], tmp_path / 'o', opset=13)
    export_onnx(exported[0], tmp_path / 'o', opset=14)
    assert onnx.load(str(tmp_path / 'o')).opset_import[0].version == 14


def test_tool_names_a_missing_checkpoint_in_one_line(tmp_path):
    command = ['tools/export_onnx.py', 'configs/weaktr_demo.py', 'absent.pth', '--out']
    result = subprocess.run(
        [sys.executable, *command, str(tmp_path / 'o')],
        capture_output=True,
        encoding='utf-8',
        cwd=ROOT,
    )
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1] == 'error: absent.pth: no such checkpoint'
