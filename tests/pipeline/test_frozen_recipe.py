"""Any pipeline becomes quick mode by one option."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline
from weaktr_mmseg.pipeline.stage_inputs import TEST_KEYS, TRAINING_KEYS
from weaktr_mmseg.utils.errors import WeakTrInputError

CONFIGS = Path(__file__).parents[2] / 'configs'


def read(leaf, **options):
    cfg = Config.fromfile(CONFIGS / f'{leaf}.py')
    cfg.merge_from_dict(options)
    return resolve_pipeline(cfg)


@pytest.fixture
def own_data(tmp_path, monkeypatch, write_image):
    write_image(tmp_path / 'images/a.jpg')
    (tmp_path / 'labels.csv').write_text('image,labels\na.jpg,cat;dog;cow\n', encoding='utf-8')
    monkeypatch.setenv('WEAKTR_DATA', str(tmp_path))
    monkeypatch.setenv('WEAKTR_PRETRAINED', 'mine.pth')


def test_own_data_becomes_what_the_leaf_of_quick_mode_says(own_data):
    frozen = read('weaktr_custom', **{'pipeline.encoder': 'frozen'})
    quick = read('weaktr_custom_quick')
    for ours, leaf in ((frozen, quick), (frozen.cam_stage, quick.cam_stage)):
        for key in (*TRAINING_KEYS, *TEST_KEYS):
            assert ours.get(key) == leaf.get(key), key
        assert ours.default_hooks == leaf.default_hooks
    assert frozen.pipeline == quick.pipeline  # what is dumped is not replaced again
    assert frozen.model.backbone.init_cfg.checkpoint == 'mine.pth'


@pytest.mark.parametrize(('leaf', 'classes'), [('weaktr_voc', 20), ('weaktr_coco_vit-b', 80)])
def test_published_recipes_keep_their_data(leaf, classes, own_data):
    plain, frozen = read(leaf), read(leaf, **{'pipeline.encoder': 'frozen'})
    assert frozen.cam_stage.model.cam_head.num_classes == classes
    assert frozen.cam_stage.model.backbone.num_classes == classes
    assert frozen.model.decode_head.num_classes == classes + 1
    assert frozen.pseudo_labels == plain.pseudo_labels
    for before, after in ((plain, frozen), (plain.cam_stage, frozen.cam_stage)):
        assert after.train_cfg.type.startswith('WeakTrFrozen')
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            kept = {k: v for k, v in before[loader].dataset.items() if k != 'pipeline'}
            assert {k: v for k, v in after[loader].dataset.items() if k != 'pipeline'} == kept


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(encoder='freeze'), r"pipeline\.encoder: expected .*frozen.*got 'freeze'"),
        (dict(encoder='frozen', retrain_from_cam_vit=True), 'leave out pipeline.retrain_from_cam'),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(WeakTrInputError, match=message):
        read('weaktr_voc', pipeline=options)
