"""Every tool reads the same files: weights in all the forms that people have them in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader, load_checkpoint

from weaktr_mmseg.apis import build_cam_model, build_segmentor
from weaktr_mmseg.apis.models import cam_stage_config, check_weights
from weaktr_mmseg.checkpoints import use_safe_readers
from weaktr_mmseg.checkpoints.io import save_safetensors
from weaktr_mmseg.utils.errors import WeakTrInputError

FORMS = {
    'as trained': lambda content: content,
    'module.': lambda content: dict(
        content, state_dict={f'module.{k}': v for k, v in content['state_dict'].items()}
    ),
    'compiled': lambda content: dict(
        content, state_dict={f'_orig_mod.{k}': v for k, v in content['state_dict'].items()}
    ),
    'bare': lambda content: dict(content['state_dict']),
    'without meta': lambda content: dict(state_dict=content['state_dict']),
    'below model': lambda content: dict(model=content['state_dict']),
}
BUILDERS = dict(cam=build_cam_model, segmentor=build_segmentor)


@pytest.fixture(params=['cam', 'segmentor'])
def trained(request):
    """Name of the stage and its run."""
    return request.param, request.getfixturevalue(f'tiny_{request.param}')


def assert_loaded(model: torch.nn.Module, expected: dict) -> None:
    for name, value in expected.items():
        assert torch.equal(model.state_dict()[name], value), name
    assert not model.training


@pytest.mark.parametrize('form', FORMS)
def test_forms(trained, tmp_path, form):
    stage, run = trained
    content = torch.load(run.checkpoint, weights_only=False)
    torch.save(FORMS[form](content), tmp_path / 'x.pth')
    cfg = Config.fromfile(run.config)
    model = BUILDERS[stage](cfg, tmp_path / 'x.pth')
    assert_loaded(model, content['state_dict'])
    assert tuple(model.dataset_meta['classes']) == tuple(content['meta']['dataset_meta']['classes'])


def test_safetensors(trained, tmp_path):
    pytest.importorskip('safetensors')
    stage, run = trained
    content = torch.load(run.checkpoint, weights_only=False)
    meta = dict(dataset_meta=dict(classes=['background', 'a'], palette=[[0, 0, 0], [1, 2, 3]]))
    save_safetensors(content['state_dict'], tmp_path / 'x.safetensors', meta)
    model = BUILDERS[stage](Config.fromfile(run.config), tmp_path / 'x.safetensors')
    assert_loaded(model, content['state_dict'])
    assert model.dataset_meta == meta['dataset_meta']


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
@pytest.mark.parametrize('wrap', ['module.{}', 'model._orig_mod.{}'])
def test_load_from_of_the_stock_runner(trained, tmp_path, monkeypatch, suffix, wrap):
    """``tools/test.py`` and ``load_from`` reach files by mmengine's loader."""
    pytest.importorskip('safetensors')
    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))
    use_safe_readers()
    stage, run = trained
    content = torch.load(run.checkpoint, weights_only=False)
    state = {wrap.format(name): value for name, value in content['state_dict'].items()}
    path: Path = tmp_path / f'x.{suffix}'
    if suffix == 'pth':
        torch.save(state, path)
    else:
        save_safetensors(state, path, {})
    model = BUILDERS[stage](Config.fromfile(run.config), run.checkpoint)
    torch.nn.init.zeros_(model.backbone.patch_embed.projection.weight)
    load_checkpoint(model, str(path), strict=True)
    assert_loaded(model, content['state_dict'])


def test_missing_parameters_are_refused(trained, tmp_path):
    stage, run = trained
    state = dict(torch.load(run.checkpoint, weights_only=False)['state_dict'])
    del state['backbone.cls_token']
    torch.save(state, tmp_path / 'x.pth')
    with pytest.raises(WeakTrInputError, match=r'x\.pth: .* it lacks backbone\.cls_token'):
        BUILDERS[stage](Config.fromfile(run.config), tmp_path / 'x.pth')


def test_config_of_the_cam_stage(tiny_cam, tiny_segmentor):
    cfg = Config.fromfile(tiny_cam.config)
    assert cam_stage_config(cfg) is cfg
    with pytest.raises(WeakTrInputError, match=r'retrain\.py: expected .* got the model WeakTrSeg'):
        cam_stage_config(Config.fromfile(tiny_segmentor.config))


@pytest.mark.parametrize(('test_cfg', 'kind'), [(None, 'fine'), (dict(map='coarse'), 'coarse')])
def test_cam_model_predicts_coarse_maps_besides_what_the_config_says(tiny_cam, test_cfg, kind):
    cfg = Config.fromfile(tiny_cam.config)
    cfg.model.test_cfg = test_cfg
    model = build_cam_model(cfg, tiny_cam.checkpoint)
    assert (model.map, model.predict_coarse) == (kind, True)


def test_a_part_of_the_weights_is_not_tested(trained, tmp_path):
    """mmengine's runner would load what fits and leave the rest at random."""
    stage, run = trained
    cfg, state = Config.fromfile(run.config), torch.load(run.checkpoint, weights_only=False)
    check_weights(cfg, run.checkpoint)
    state = state['state_dict']
    missing = {name: value for name, value in state.items() if 'layers.1.' not in name}
    other = dict(state, **{'backbone.layers.0.ln1.weight': torch.zeros(3)})
    cut = dict(state, **{'backbone.pos_embed': state['backbone.pos_embed'][:, :-1]})
    for content, message in (
        (missing, 'it lacks .*layers'),
        (other, r'ln1\.weight'),
        (cut, 'length of `pos_embed`'),  # which mmpretrain asserts
    ):
        torch.save(content, tmp_path / 'x.pth')
        with pytest.raises(WeakTrInputError, match=rf'x\.pth: is not of this config: .*{message}'):
            check_weights(cfg, tmp_path / 'x.pth')


def test_weights_of_which_nothing_fits_are_refused(trained, tmp_path):
    """``load_from`` with an encoder by other names would train from random numbers."""
    stage, run = trained
    torch.save({'blocks.0.norm1.weight': torch.zeros(4)}, tmp_path / 'x.pth')
    model = BUILDERS[stage](Config.fromfile(run.config), run.checkpoint)
    with pytest.raises(WeakTrInputError, match=r'no parameter of WeakTr.*backbone\.init_cfg'):
        load_checkpoint(model, str(tmp_path / 'x.pth'))
