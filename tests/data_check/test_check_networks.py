"""Checks of networks and of the weights that they start from."""

from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from small_voc import config, save_checkpoint

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.data_check.check_data import check_data
from weaktr_mmseg.utils.palette import voc_palette


@pytest.mark.parametrize('stage,part', [('cam_stage', 'backbone'), ('cam_stage', 'cam_head'),
                                        (None, 'decode_head')])  # fmt: skip
def test_class_count_of_the_model(root, stage, part):
    cfg = config(root)
    (cfg[stage] if stage else cfg).model[part].num_classes = 20
    errors = check_data(cfg, pixels=False).errors
    where = f'{stage}.model.{part}.num_classes' if stage else f'model.{part}.num_classes'
    assert [(p.check, p.file) for p in errors] == [('model-classes', where)]


def as_coco(cfg):
    """Gives the data 80 classes."""
    classes = ['background', 'cat', 'dog', *map(str, range(78))]
    for stage in (cfg, cfg.cam_stage):
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if loader in stage:
                stage[loader].dataset.metainfo = dict(classes=classes, palette=voc_palette(81))
    cfg.model.decode_head.num_classes = 81
    cfg.cam_stage.model.backbone.num_classes = 80
    return cfg


def messages_about_classes(cfg):
    errors = check_data(cfg, pixels=False).errors
    return {error.check: error.message for error in errors if error.check != 'class-absent'}


def test_coco_checkpoint_with_gaps(root):
    cfg = as_coco(config(root))
    save_checkpoint(root, cam_head__classifier__weight=(91, 4, 3, 3))
    messages = messages_about_classes(cfg)
    assert list(messages) == ['checkpoint-classes']
    assert 'COCO category ids with gaps' in messages['checkpoint-classes']


def test_networks_that_keep_the_rows_of_all_coco_ids(root):
    """Converted with ``--keep-coco-rows``: 90 classes in the CAM stage, 91 in the segmentor."""
    cfg = as_coco(config(root))
    cfg.cam_stage.model.backbone.num_classes = 90
    cfg.cam_stage.model.cam_head = dict(num_classes=80, original_coco_ids=True)
    cfg.model.decode_head = dict(num_classes=81, original_coco_ids=True)
    save_checkpoint(
        root, cam_head__classifier__weight=(90, 4, 3, 3), backbone__cls_token=(1, 90, 4)
    )
    segmentor = root / 'segmentor.pth'
    torch.save({'decode_head.cls_emb': torch.zeros(1, 91, 4)}, segmentor)
    cfg.load_from = str(segmentor)
    assert messages_about_classes(cfg) == {}

    cfg.cam_stage.model.backbone.num_classes = 80  # the head drops rows that are not there
    torch.save({'decode_head.cls_emb': torch.zeros(1, 81, 4)}, segmentor)
    assert messages_about_classes(cfg) == {
        'model-classes': 'is 80, original_coco_ids expects 90 classes (foreground)',
        'checkpoint-classes': 'decode_head.cls_emb has 81 classes, original_coco_ids expects 91',
    }


@pytest.mark.parametrize(
    ('original', 'rows', 'message'),
    [
        (False, 90, 'is 90, the data has 80 classes (foreground)'),
        (True, 91, 'is 91, original_coco_ids expects 90 classes (foreground)'),
    ],
)
def test_wrong_numbers_of_coco_rows_are_one_line(root, original, rows, message):
    cfg = as_coco(config(root))
    cfg.cam_stage.model.backbone.num_classes = rows
    cfg.cam_stage.model.cam_head = dict(num_classes=80, original_coco_ids=original)
    errors = [e for e in check_data(cfg, pixels=False).errors if e.check != 'class-absent']
    assert [(e.file, e.message) for e in errors] == [
        ('cam_stage.model.backbone.num_classes', message)
    ]


def test_checkpoint_that_the_cam_stage_replaces_need_not_exist(root):
    cfg = config(root)
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='absent.pth')
    assert [p.file for p in check_data(cfg, pixels=False).errors if 'absent' in p.message] == [
        'model.backbone.init_cfg.checkpoint'
    ]
    cfg.pipeline = dict(retrain_from_cam_vit=True)
    for kind in ('Pretrained', 'WeakTrPretrained'):
        cfg.model.backbone.init_cfg.type = kind
        assert not [p for p in check_data(cfg, pixels=False).errors if 'absent' in p.message]


def pretrained(checkpoint, **options):
    arch = dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=16)
    init_cfg = dict(type='WeakTrPretrained', checkpoint=str(checkpoint))
    backbone = dict(type='WeakTrSegmenterViT', arch=arch, img_size=32, init_cfg=init_cfg)
    return dict(backbone, **options)


def messages_about_weights(cfg):
    errors = check_data(cfg, pixels=False).errors
    return [p.message for p in errors if p.file == 'model.backbone.init_cfg.checkpoint']


def test_encoder_that_cannot_start_is_known_before_training(root):
    cfg = config(root)
    init_default_scope('mmseg')
    backbone = MODELS.build(pretrained('', init_cfg=None))
    state = {f'backbone.{name}': value for name, value in backbone.state_dict().items()}
    torch.save(state, root / 'encoder.pth')
    cfg.model.backbone = pretrained(root / 'encoder.pth')
    assert messages_about_weights(cfg) == []
    wide = dict(embed_dims=12, num_layers=1, num_heads=2, feedforward_channels=16)
    cfg.model.backbone = pretrained(root / 'encoder.pth', arch=wide)
    assert 'encoder.pth: expected an encoder of width 12' in messages_about_weights(cfg)[0]
    cfg.model.backbone = pretrained('dino-s')
    assert 'neither a file nor a name' in messages_about_weights(cfg)[0]
    cfg.pipeline = dict(retrain_from_cam_vit=True)
    assert messages_about_weights(cfg) == []
