"""A published folder takes the place of config and checkpoint, and says what it holds."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from weaktr_mmseg.apis import (
    PhotoSegmentor,
    WeakTrInferencer,
    build_segmentor,
    init_model,
    publish_model,
    push_to_hub,
    read_config,
)
from weaktr_mmseg.checkpoints import read_checkpoint
from weaktr_mmseg.utils.errors import WeakTrInputError

pytest.importorskip('safetensors')
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def folder(tiny_segmentor, tmp_path_factory) -> Path:
    """A published segmentor with scores."""
    run = tmp_path_factory.mktemp('run')
    summary = dict(
        metrics=dict(val_miou=12.34, pseudo_label_miou=None, cam_fused_miou_oracle=5.0),
        threshold=dict(value=0.4, chosen_by='label-free'),
    )
    (run / 'summary.json').write_text(json.dumps(summary), encoding='utf-8')
    cfg = read_config(tiny_segmentor.config)
    cfg.model.backbone.init_cfg = dict(type='WeakTrPretrained', checkpoint='/home/me/vit.pth')
    cfg.work_dir = '/home/me/work'
    out = run / 'my_model'
    return publish_model(
        cfg, tiny_segmentor.checkpoint, out, 'cc-by-4.0', summary=run / 'summary.json'
    )


@pytest.fixture
def photograph() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_predicts_what_the_checkpoint_does(folder, tiny_segmentor, photograph):
    trained = build_segmentor(read_config(tiny_segmentor.config), tiny_segmentor.checkpoint)
    published = init_model(folder)
    assert published.dataset_meta['classes'] == list(trained.dataset_meta['classes'])
    for name, value in trained.state_dict().items():
        assert torch.equal(published.state_dict()[name], value), name
    labels = PhotoSegmentor(published)(photograph)
    assert np.array_equal(labels, PhotoSegmentor(trained)(photograph))
    assert len(np.unique(labels)) > 1


def test_nothing_of_the_machine_is_left(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        'README.md',
        'config.py',
        'model.safetensors',
    ]
    for name in ('README.md', 'config.py'):
        assert '/home/me' not in (folder / name).read_text(encoding='utf-8')
    assert 'init_cfg' not in Config.fromfile(folder / 'config.py').model.backbone
    meta = read_checkpoint(folder / 'model.safetensors').meta
    assert set(meta) == {'dataset_meta', 'weaktr_mmseg'}


def test_card(folder):
    card = (folder / 'README.md').read_text(encoding='utf-8')
    assert card.startswith('---\nlicense: cc-by-4.0\n')
    classes = read_checkpoint(folder / 'model.safetensors').meta['dataset_meta']['classes']
    for index, name in enumerate(classes):
        assert f'\n{index}. {name}\n' in card
    assert '| `val_miou` | 12.34 |' in card
    assert '| `cam_fused_miou_oracle` | 5.0 |' in card
    assert 'pseudo_label_miou' not in card
    assert '0.4, label-free' in card
    assert 'started from: vit.pth' in card


def test_card_without_scores(tiny_segmentor, tmp_path):
    cfg = read_config(tiny_segmentor.config)
    out = publish_model(cfg, tiny_segmentor.checkpoint, tmp_path / 'x')
    assert 'None were measured' in (out / 'README.md').read_text(encoding='utf-8')
    assert 'license: unknown' in (out / 'README.md').read_text(encoding='utf-8')


def test_scores_are_those_of_the_run_that_the_checkpoint_lies_in(tiny_segmentor, tmp_path):
    """In the folder of the stage or in that of the pipeline, and not further up."""
    checkpoint = tmp_path / 'home/run/retrain/best.pth'
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(tiny_segmentor.checkpoint.read_bytes())

    def card(out):
        publish_model(read_config(tiny_segmentor.config), checkpoint, tmp_path / out)
        return (tmp_path / out / 'README.md').read_text(encoding='utf-8')

    for number, folder in enumerate(('home', 'home/run', 'home/run/retrain')):
        summary = json.dumps(dict(metrics=dict(val_miou=10.5 + number)))
        (tmp_path / folder / 'summary.json').write_text(summary, encoding='utf-8')
        expected = f'| `val_miou` | {10.5 + number} |' if number else 'None were measured.'
        assert expected in card(f'out{number}')


def test_inferencer(folder, photograph):
    classes = read_checkpoint(folder / 'model.safetensors').meta['dataset_meta']['classes']
    inferencer = WeakTrInferencer(str(folder), device='cpu', show_progress=False)
    assert list(inferencer.model.dataset_meta['classes']) == classes
    found = inferencer(photograph)['predictions']
    assert found.shape == photograph.shape[:2]


def test_command_lines(folder, tiny_segmentor, photograph, tmp_path):
    Image.fromarray(photograph).save(tmp_path / 'p.png')
    out = tmp_path / 'again'

    def run(tool: str, *arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, ROOT / 'tools' / tool, *arguments]
        return subprocess.run(
            [str(part) for part in command], capture_output=True, encoding='utf-8'
        )

    done = run('publish_model.py', tiny_segmentor.config, tiny_segmentor.checkpoint, out)
    assert done.returncode == 0, done.stderr
    done = run('infer.py', tmp_path / 'p.png', '--model', out, '--out-dir', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'out/masks/p.png').is_file()
    (out / 'model.safetensors').unlink()
    for tool, arguments in (('test.py', [out]), ('infer.py', ['x.png', '--model', out])):
        failed = run(tool, *arguments)
        assert failed.returncode == 2
        assert 'has model.safetensors, this has not' in failed.stderr.splitlines()[-1]
    assert run('infer.py', 'x.png', '--config', 'x.py').returncode == 2


def test_folder_stands_for_its_files_among_the_arguments(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    from mmseg_tool import replace_folder

    monkeypatch.setattr(sys, 'argv', ['test.py', '--tta', str(folder), '--out', 'x'])
    replace_folder(str(folder), None)
    files = [str(folder / 'config.py'), str(folder / 'model.safetensors')]
    assert sys.argv == ['test.py', '--tta', *files, '--out', 'x']


def test_a_config_alone_is_refused(tiny_segmentor):
    with pytest.raises(FileNotFoundError, match='expected a folder of tools/publish_model.py, or'):
        init_model(tiny_segmentor.config)


def test_summary_that_cannot_be_read(tiny_segmentor, tmp_path):
    (tmp_path / 's.json').write_text('{"metrics": 3}', encoding='utf-8')
    cfg = read_config(tiny_segmentor.config)
    with pytest.raises(WeakTrInputError, match=r"s\.json: .*expected the key 'metrics'"):
        publish_model(cfg, tiny_segmentor.checkpoint, tmp_path / 'x', summary=tmp_path / 's.json')


class Hub:
    """Stands in for huggingface_hub."""

    calls: list

    class HfApi:
        def create_repo(self, repo, exist_ok):
            Hub.calls.append(('create', repo, exist_ok))

        def upload_folder(self, repo_id, folder_path):
            if repo_id == 'me/forbidden':
                raise RuntimeError('403 Forbidden\nsecond line')
            Hub.calls.append(
                ('upload', repo_id, sorted(p.name for p in Path(folder_path).iterdir()))
            )
            return f'https://hub/{repo_id}'


def test_upload(folder, monkeypatch):
    Hub.calls = []
    monkeypatch.setitem(sys.modules, 'huggingface_hub', types.SimpleNamespace(HfApi=Hub.HfApi))
    assert push_to_hub(folder, 'me/birds') == 'https://hub/me/birds'
    files = ['README.md', 'config.py', 'model.safetensors']
    assert Hub.calls == [('create', 'me/birds', True), ('upload', 'me/birds', files)]
    with pytest.raises(WeakTrInputError, match=r'^me/forbidden: .* \(403 Forbidden\)$'):
        push_to_hub(folder, 'me/forbidden')


def test_upload_without_its_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(WeakTrInputError, match=r"pip install -e '\.\[hub\]'"):
        push_to_hub(folder, 'me/birds')
