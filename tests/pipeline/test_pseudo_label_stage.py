"""Generation of pseudo labels: what it writes, keeps and redoes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import load_state_dict
from weaktr_mmseg.pipeline import stage_configs as stages
from weaktr_mmseg.pipeline.pseudo_label_stage import cam_config_hash, generate_pseudo_labels
from weaktr_mmseg.pseudo_labels.cam_files import read_cams, write_cams
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.masks import read_mask, write_mask

ROOT = Path(__file__).parents[2]
TRAIN, SIDE, BATCH = 7, 32, 2
FILES = ('cams/*.npz', 'masks/*.png', 'coarse/*.npz')


@pytest.fixture(scope='module')
def cfg(tmp_path_factory) -> Config:
    """The demo pipeline on seven small scenes, with a CAM stage of two blocks."""
    folder = tmp_path_factory.mktemp('data')
    cfg = Config.fromfile(ROOT / 'configs/weaktr_demo.py')
    cam = Config.fromfile(ROOT / 'configs/weaktr_demo_cam.py')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cam[loader].batch_size = BATCH
        cam[loader].dataset.data_root = str(folder / 'demo')
        cam[loader].dataset.size = dict(train=TRAIN, val=2, side=SIDE)
    cam.model.backbone.img_size = SIDE
    cam.model.backbone.arch.update(num_layers=2, feedforward_channels=32)
    cfg.cam_stage = cam.to_dict()
    cfg.pseudo_labels.update(workers=0, score_split=None)
    cfg.work_dir = str(folder)
    init_default_scope('mmseg')
    return stages.resolve_pipeline(cfg)


@pytest.fixture(scope='module')
def checkpoint(cfg, tmp_path_factory) -> str:
    """An untrained network."""
    torch.manual_seed(0)
    model = MODELS.build(cfg.cam_stage.model)
    path = tmp_path_factory.mktemp('checkpoint') / 'cam.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def finished(cfg, checkpoint, tmp_path_factory) -> tuple[Path, object]:
    """The folder of an uninterrupted run, and what it returned."""
    folder = tmp_path_factory.mktemp('finished')
    return folder, generate_pseudo_labels(cfg, checkpoint, folder)


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for pattern in FILES for path in folder.glob(pattern))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def copy_to(folder: Path, target: Path) -> None:
    for name, data in contents(folder).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def moments(folder: Path) -> dict[str, int]:
    paths = (path for pattern in FILES for path in folder.glob(pattern))
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in paths}


def test_writes_all_files_and_a_record(finished):
    folder, labels = finished
    assert len(contents(folder)) == 3 * TRAIN
    record = json.loads((folder / 'pseudo_labels.json').read_text(encoding='utf-8'))
    assert record['threshold'] == dict(value=labels.threshold, chosen_by='label-free')
    assert record['metrics'] == labels.metrics
    assert record['images'] == TRAIN
    assert not [name for name, value in labels.metrics.items() if value is None]
    for path in folder.glob('cams/*.npz'):
        cams = read_cams(path)
        assert cams.config_hash == record['config_hash']
        assert read_mask(folder / f'masks/{path.stem}.png').shape == cams.cams.shape[1:]


def test_a_finished_run_is_left_alone(cfg, checkpoint, finished):
    folder, labels = finished
    before = moments(folder)
    assert generate_pseudo_labels(cfg, checkpoint, folder) == labels
    assert moments(folder) == before


def remove_some(folder: Path) -> None:
    for pattern in FILES:
        for path in sorted(folder.glob(pattern))[2:4]:
            path.unlink()


def tear_some(folder: Path) -> None:
    for pattern in FILES:
        for path in sorted(folder.glob(pattern))[::3]:
            path.write_bytes(path.read_bytes()[:-40])


def damage_some(folder: Path) -> None:
    for pattern in FILES:
        path = min(folder.glob(pattern))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)


def put_foreign_maps(folder: Path) -> None:
    path = min(folder.glob('cams/*.npz'))
    content = read_cams(path)
    cams = np.zeros_like(content.cams)
    write_cams(path, cams, *content[1:3], 'another', content.class_scores)


def put_other_classes(folder: Path) -> None:
    path = min(folder.glob('cams/*.npz'))
    content = read_cams(path)
    write_cams(path, content.cams[:0], [], [], content.config_hash, content.class_scores)


def exchange_masks(folder: Path) -> None:
    first, second, *_ = sorted(folder.glob('masks/*.png'))
    first.write_bytes(second.read_bytes())


@pytest.mark.parametrize(
    'spoil',
    [
        remove_some,
        tear_some,
        damage_some,
        put_foreign_maps,
        put_other_classes,
        exchange_masks,
    ],
)
def test_what_is_missing_torn_or_foreign_is_redone(cfg, checkpoint, finished, tmp_path, spoil):
    folder, labels = finished
    copy_to(folder, tmp_path)
    spoil(tmp_path)
    assert contents(tmp_path) != contents(folder)
    assert generate_pseudo_labels(cfg, checkpoint, tmp_path) == labels
    assert contents(tmp_path) == contents(folder)


def test_only_what_is_spoilt_is_redone(cfg, checkpoint, finished, tmp_path):
    copy_to(finished[0], tmp_path)
    before = moments(tmp_path)
    spoilt = min(tmp_path.glob('cams/*.npz'))
    spoilt.unlink()
    generate_pseudo_labels(cfg, checkpoint, tmp_path)
    after = moments(tmp_path)
    redone = {name for name in after if after[name] != before[name]}
    batch = [path.stem for path in sorted(tmp_path.glob('cams/*.npz'))[:BATCH]]
    assert redone == {f'{kind}/{name}.npz' for kind in ('cams', 'coarse') for name in batch}


def test_another_rule_makes_new_masks_of_the_same_maps(cfg, checkpoint, finished, tmp_path):
    copy_to(finished[0], tmp_path)
    other = stages.resolve_pipeline(cfg)
    other.pseudo_labels.refine = None
    before = moments(tmp_path)
    generate_pseudo_labels(other, checkpoint, tmp_path)
    after = moments(tmp_path)
    changed = {name.split('/')[0] for name in after if after[name] != before[name]}
    assert changed == {'masks'}


def test_hash_knows_network_scales_and_parameters(cfg, checkpoint, tmp_path):
    same = stages.resolve_pipeline(cfg)
    same.cam_stage.test_dataloader.batch_size = 5
    same.cam_stage.model.init_cfg = dict(type='Pretrained', checkpoint='x.pth')
    expected = cam_config_hash(cfg, checkpoint)
    assert cam_config_hash(same, checkpoint) == expected

    deeper, scaled = stages.resolve_pipeline(cfg), stages.resolve_pipeline(cfg)
    deeper.cam_stage.model.backbone.arch.num_layers = 3
    scaled.cam_stage.test_dataloader.dataset.pipeline[2]['scales'] = [1.0]
    state = load_state_dict(checkpoint)
    dated, trained = tmp_path / 'dated.pth', tmp_path / 'trained.pth'
    torch.save(dict(state_dict=state, meta=dict(time='later')), dated)
    assert cam_config_hash(cfg, dated) == expected
    next(iter(state.values())).view(-1)[0] += 1
    torch.save(dict(state_dict=state), trained)
    others = [
        cam_config_hash(deeper, checkpoint),
        cam_config_hash(scaled, checkpoint),
        cam_config_hash(cfg, trained),
    ]
    assert len({expected, *others}) == 4


def test_maps_that_are_all_alike_have_no_otsu_threshold(cfg, tmp_path):
    model = MODELS.build(cfg.cam_stage.model)
    state = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    torch.save(dict(state_dict=state, meta=dict()), tmp_path / 'zero.pth')
    with pytest.raises(WeakTrInputError, match='all maps are alike.*set a number'):
        generate_pseudo_labels(cfg, str(tmp_path / 'zero.pth'), tmp_path / 'out')


def test_trusted_masks_become_the_labels_of_their_photographs(cfg, checkpoint, finished, tmp_path):
    copy_to(finished[0], tmp_path / 'out')
    names = sorted(path.stem for path in tmp_path.glob('out/masks/*.png'))
    corrected = np.full((SIDE, SIDE), 2, np.uint8)
    write_mask(tmp_path / f'trusted/{names[3]}.png', corrected, [(0, 0, 0)] * 3)
    write_mask(tmp_path / 'trusted/of_another_split.png', corrected, [(0, 0, 0)] * 3)
    trusting = stages.resolve_pipeline(cfg)
    trusting.pseudo_labels.trusted_masks = str(tmp_path / 'trusted')
    before = moments(tmp_path / 'out')

    generate_pseudo_labels(trusting, checkpoint, tmp_path / 'out')

    after = moments(tmp_path / 'out')
    changed = [name for name in after if after[name] != before[name]]
    assert changed == [f'masks/{names[3]}.png']
    assert np.array_equal(read_mask(tmp_path / f'out/masks/{names[3]}.png'), corrected)
    record = json.loads((tmp_path / 'out/pseudo_labels.json').read_text(encoding='utf-8'))
    assert record['trusted_masks'] == 1


def test_trusted_masks_of_other_photographs_are_refused(cfg, checkpoint, finished, tmp_path):
    copy_to(finished[0], tmp_path / 'out')
    write_mask(tmp_path / 'trusted/x.png', np.zeros((SIDE, SIDE), np.uint8), [(0, 0, 0)])
    trusting = stages.resolve_pipeline(cfg)
    trusting.pseudo_labels.trusted_masks = str(tmp_path / 'trusted')
    with pytest.raises(WeakTrInputError, match='0 of 1 files in .*trusted belong to images'):
        generate_pseudo_labels(trusting, checkpoint, tmp_path / 'out')
