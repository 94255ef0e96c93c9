from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.data_check.check_data import check_data
from weaktr_mmseg.data_check.problems import Report
from weaktr_mmseg.datasets.faults import Fault
from weaktr_mmseg.pipeline.recipe_advice import Advice
from weaktr_mmseg.utils.masks import read_mask, write_mask
from weaktr_mmseg.utils.palette import voc_palette

TOOL = Path(__file__).parents[2] / 'tools/check_data.py'
SIZE = (24, 16)  # width, height
CAT = '<object><name>cat</name></object>'


@pytest.fixture
def root(tmp_path, write_image, write_voc_xml, monkeypatch):
    """Clean VOC layout: train 00-09 and val 10-13, cats and dogs, every image with a mask."""
    monkeypatch.setattr(sys.modules['weaktr_mmseg.data_check.check_data'], 'FEW_IMAGES', 5)
    names = [f'{index:02d}' for index in range(14)]
    for index, name in enumerate(names):
        write_image(tmp_path / f'JPEGImages/{name}.jpg', size=SIZE, seed=index)
        write_voc_xml(tmp_path / f'Annotations/{name}.xml', [('cat', 'dog')[index % 2]])
        mask = np.zeros(SIZE[::-1], np.uint8)
        mask[4:8, 4:8] = 1 + index % 2
        mask[0] = 255
        write_mask(tmp_path / f'SegmentationClass/{name}.png', mask, voc_palette(3))
    (tmp_path / 'train.txt').write_text('\n'.join(names[:10]), encoding='utf-8')
    (tmp_path / 'val.txt').write_text('\n'.join(names[10:]), encoding='utf-8')
    torch.save({'state_dict': {'backbone.cls_token': torch.zeros(1, 1, 4)}}, tmp_path / 'vit.pth')
    return tmp_path


def config(root):
    """A pipeline: the CAM stage trains on train.txt, the segmentor is scored on val.txt."""

    def loader(split, labels=None, masks=False):
        mask_dir = 'SegmentationClass' if masks else None
        return dict(
            dataset=dict(
                type='ImageLabelDataset',
                data_root=str(root),
                ann_file=split,
                data_prefix=dict(img_path='JPEGImages', seg_map_path=mask_dir),
                labels=labels,
                metainfo=dict(classes=['background', 'cat', 'dog'], palette=voc_palette(3)),
            )
        )

    xml = dict(type='voc_xml', path='Annotations')
    init = dict(type='Pretrained', checkpoint=str(root / 'vit.pth'))
    return Config(
        dict(
            cam_stage=dict(
                model=dict(backbone=dict(num_classes=2, init_cfg=init), cam_head=dict()),
                train_dataloader=loader('train.txt', xml),
                test_dataloader=loader('train.txt', xml, masks=True),
            ),
            model=dict(backbone=dict(), decode_head=dict(num_classes=3)),
            train_dataloader=loader('train.txt'),
            val_dataloader=loader('val.txt', masks=True),
        )
    )


def edit_mask(root, name, change):
    mask = read_mask(root / f'SegmentationClass/{name}.png').copy()
    change(mask)
    write_mask(root / f'SegmentationClass/{name}.png', mask, voc_palette(3))


def rewrite(root, file, old, new):
    text = (root / file).read_text(encoding='utf-8')
    assert old in text
    (root / file).write_text(text.replace(old, new), encoding='utf-8')


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def rotate_by_exif(root):
    path = root / 'JPEGImages/01.jpg'
    image = Image.open(path)
    image.load()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif)


def save_checkpoint(root, **shapes):
    state = {name.replace('__', '.'): torch.zeros(shape) for name, shape in shapes.items()}
    torch.save({'state_dict': state}, root / 'vit.pth')


FAULTS = {
    # name: (damage, check, part of the file, part of the message)
    'split file missing': (
        lambda r: (r / 'val.txt').unlink(), 'split', 'val.txt', 'not found'),
    'split file empty': (
        lambda r: (r / 'train.txt').write_bytes(b' \n'), 'split', 'train.txt', 'is empty'),
    'image listed twice': (
        lambda r: rewrite(r, 'train.txt', '01', '01\n01'), 'split-duplicate', 'train.txt', "'01'"),
    'train image in val': (
        lambda r: rewrite(r, 'val.txt', '10', '10\n03'), 'split-leakage', 'val.txt', "'03'"),
    'copy of a train image in val': (
        lambda r: (r / 'JPEGImages/11.jpg').write_bytes((r / 'JPEGImages/04.jpg').read_bytes()),
        'image-copy', '11.jpg', '04.jpg'),
    'listed image missing': (
        lambda r: (r / 'JPEGImages/02.jpg').unlink(), 'image-missing', 'train.txt', "'02'"),
    'image folder missing': (
        lambda r: (r / 'JPEGImages').rename(r / 'Images'), 'images', 'JPEGImages', 'not found'),
    'images that differ in suffix only': (
        lambda r: (r / 'JPEGImages/01.png').touch(), 'images', 'JPEGImages', 'in their suffix'),
    'truncated image': (
        lambda r: truncate(r / 'JPEGImages/05.jpg'), 'image-unreadable', '05.jpg', 'runcated'),
    'text in place of an image': (
        lambda r: (r / 'JPEGImages/05.jpg').write_bytes(b'x'), 'image-unreadable', '05.jpg',
        'no image, or of a type'),
    'image with floating-point pixels': (
        lambda r: Image.fromarray(np.zeros(SIZE[::-1], np.float32)).save(
            r / 'JPEGImages/05.jpg', format='TIFF'),
        'image-unreadable', '05.jpg', 'floating-point'),
    'label file missing': (
        lambda r: (r / 'Annotations/03.xml').unlink(), 'label-file', 'Annotations', '03.xml'),
    'label file malformed': (
        lambda r: truncate(r / 'Annotations/03.xml'), 'label-file', 'Annotations', '03.xml'),
    'label file with entities': (
        lambda r: rewrite(r, 'Annotations/03.xml', '<annotation>', '<!DOCTYPE a><annotation>'),
        'label-file', '03.xml', 'DOCTYPE'),
    'unknown label': (
        lambda r: rewrite(r, 'Annotations/03.xml', 'dog', 'dgo'), 'label-unknown', '03.xml',
        "did you mean 'dog'"),
    'image without label': (
        lambda r: rewrite(r, 'Annotations/03.xml', 'object', 'thing'), 'label-missing',
        'Annotations', "'03'"),
    'class that never occurs': (
        lambda r: [rewrite(r, f'Annotations/{i:02d}.xml', 'dog', 'cat') for i in range(1, 10, 2)],
        'class-absent', 'train.txt', "'dog'"),
    'mask missing': (
        lambda r: (r / 'SegmentationClass/12.png').unlink(), 'mask-missing', 'SegmentationClass',
        "'12.png'"),
    'mask folder missing': (
        lambda r: (r / 'SegmentationClass').rename(r / 'Masks'), 'masks', 'SegmentationClass',
        'not found'),
    'truncated mask': (
        lambda r: truncate(r / 'SegmentationClass/12.png'), 'mask-unreadable', '12.png', ''),
    'mask in colours': (
        lambda r: Image.new('RGB', SIZE).save(r / 'SegmentationClass/12.png'), 'mask-unreadable',
        '12.png', 'RGB'),
    'mask of another size': (
        lambda r: Image.new('L', (9, 9)).save(r / 'SegmentationClass/12.png'), 'mask-size',
        '12.png', '(9, 9)'),
    'image rotated by EXIF, mask not': (
        rotate_by_exif, 'mask-size', '01.png', 'EXIF'),
    'mask with an unknown id': (
        lambda r: edit_mask(r, '12', lambda m: m.__setitem__((5, 5), 7)), 'mask-ids', '12.png',
        '[7]'),
    'class token count of a checkpoint': (
        lambda r: save_checkpoint(r, backbone__cls_token=(1, 20, 4)), 'checkpoint-classes',
        'vit.pth', '20 classes, the data has 2'),
    'checkpoint missing': (
        lambda r: (r / 'vit.pth').unlink(), 'checkpoint', 'init_cfg.checkpoint', 'vit.pth'),
    'checkpoint unreadable': (
        lambda r: (r / 'vit.pth').write_bytes(b'junk'), 'checkpoint', 'vit.pth', 'refused'),
}  # fmt: skip


@pytest.mark.parametrize('fault', FAULTS)
def test_planted_fault(root, fault):
    damage, check, file, message = FAULTS[fault]
    damage(root)
    report = check_data(config(root), workers=1, progress=False)
    assert [
        p for p in report.errors if p.check == check and file in p.file and message in p.message
    ], report.findings()
    assert len({p.check for p in report.errors}) <= 2, 'one fault must not look like many'


def test_clean_set(root):
    report = check_data(config(root), workers=2, progress=False)
    assert report.problems == []
    assert report.class_balance == {'cat': 5, 'dog': 5}
    assert [tuple(row.values()) for row in report.datasets] == [
        ('cam_stage.train_dataloader', 10, 10, None),
        ('cam_stage.test_dataloader', 10, 10, 10),
        ('train_dataloader', 10, None, None),  # learns from pseudo labels
        ('val_dataloader', 4, None, 4),
    ]
    assert 'train_dataloader            10      not read  not read' in report.tables()


@pytest.mark.parametrize(
    'damage,check',
    [
        (lambda r: edit_mask(r, '01', lambda m: m.__setitem__((9, 9), 1)), 'mask-label'),
        (
            lambda r: write_mask(
                r / 'SegmentationClass/01.png',
                read_mask(r / 'SegmentationClass/01.png'),
                [[0, 0, 0], [1, 2, 3], [4, 5, 6]],
            ),
            'mask-palette',
        ),
        (
            lambda r: Image.fromarray(
                np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE[::-1])
            ).save(r / 'JPEGImages/02.jpg', 'PNG'),
            'image-levels',
        ),
        (
            lambda r: (r / 'JPEGImages/02.jpg').write_bytes((r / 'JPEGImages/01.jpg').read_bytes()),
            'image-copy',
        ),
        (lambda r: rewrite(r, 'Annotations/01.xml', 'dog', 'cat'), 'class-rare'),
        (
            lambda r: [
                rewrite(r, f'Annotations/{i:02d}.xml', '</annotation>', f'{CAT}</annotation>')
                for i in range(1, 10, 2)
            ],
            'class-everywhere',
        ),
        (
            lambda r: (
                [
                    rewrite(
                        r, f'Annotations/{i:02d}.xml', n, 'cat</name></object><object><name>dog'
                    )
                    for i, n in zip((*range(8), 9), ('cat', 'dog') * 4 + ('dog',))
                    if i != 8
                ]
                + [rewrite(r, 'train.txt', '08\n', '')]
            ),
            'class-together',
        ),
        (
            lambda r: Image.open(r / 'JPEGImages/04.jpg').save(r / 'JPEGImages/11.jpg', quality=95),
            'image-similar',
        ),
    ],
)
def test_warnings_do_not_forbid_training(root, damage, check):
    damage(root)
    report = check_data(config(root), workers=1, progress=False)
    assert check in {p.check for p in report.problems}
    assert report.errors == []


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


def test_quick_check_opens_no_image(root, monkeypatch):
    real_open = Image.open
    opened = []
    monkeypatch.setattr(Image, 'open', lambda path: (opened.append(str(path)), real_open(path))[1])
    assert check_data(config(root), pixels=False).errors == []
    assert opened and all('SegmentationClass' in path for path in opened)  # a few masks


def test_the_tool_lists_folders_and_reads_tables_once(tmp_path, write_image, monkeypatch):
    """Six data sets, and as many in the stages that are built, share what they read."""
    for index in range(20):
        write_image(tmp_path / f'data/images/{index:02d}.jpg', size=SIZE, seed=index)
        mask = np.full(SIZE[::-1], 1 + index % 2, np.uint8)
        write_mask(tmp_path / f'data/masks/{index:02d}.png', mask, voc_palette(3))
    rows = [f'{index:02d}.jpg,{("cat", "dog")[index % 2]}' for index in range(20)]
    table = tmp_path / 'data/labels.csv'
    table.write_text('\n'.join(['image,labels', *rows]), encoding='utf-8')
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = '{TOOL.parents[1]}/configs/weaktr_custom.py'\n"
        'cam_stage = dict(model=dict(backbone=dict(init_cfg=None)))\n'
        'model = dict(backbone=dict(init_cfg=None))\n',
        encoding='utf-8',
    )
    monkeypatch.setenv('WEAKTR_DATA', str(tmp_path / 'data'))
    listed, opened = count_calls(monkeypatch, os, 'walk'), []
    real_read = Path.read_text
    monkeypatch.setattr(
        Path, 'read_text', lambda path, **how: (opened.append(path), real_read(path, **how))[1]
    )
    arguments = dict(config=str(config), cfg_options=None, quick=True, json=False, workers=1)
    report, fault = runpy.run_path(str(TOOL))['check'](argparse.Namespace(**arguments))
    assert fault is None and not report.errors and len(report.datasets) == 6
    below = sorted(path for path in map(str, listed) if path.startswith(str(tmp_path / 'data')))
    assert below == [str(tmp_path / 'data/images'), str(tmp_path / 'data/masks')]
    assert opened.count(table) == 1


def test_the_errors_of_a_kind_name_their_file_once_and_the_remedy():
    report = Report()
    for index in range(7):
        report.add_fault(Fault('label-missing', 'labels.csv', f"'{index}' has none", hint='do so'))
    report.error('mask', 'm.png', 'm.png: no mask')
    assert report.error_line() == (
        "label-missing: labels.csv: '0' has none; '1' has none; '2' has none; '3' has none; "
        "'4' has none; and 2 more; do so; mask: m.png: no mask"
    )


def test_what_is_at_fault_comes_last(monkeypatch, capsys):
    main = runpy.run_path(str(TOOL))['main']
    report = Report()
    report.warning('class-everywhere', 'labels.csv', 'every image has it')
    monkeypatch.setitem(main.__globals__, 'check', lambda args: (report, None))
    advice = Advice(advice='Recipe: train as configured.')
    monkeypatch.setitem(main.__globals__, 'time_recipes', lambda args: advice)
    assert main(argparse.Namespace(quick=False, json=False)) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        'Recipe: train as configured.',
        '',
        'WARNING class-everywhere: labels.csv: every image has it',
        '0 errors, 1 warnings',
    ]


def count_calls(monkeypatch, module, name):
    real, calls = getattr(module, name), []
    monkeypatch.setattr(
        module, name, lambda path, *how, **more: (calls.append(path), real(path, *how, **more))[1]
    )
    return calls


def test_data_set_that_cannot_be_built(root):
    cfg = config(root)
    cfg.train_dataloader.dataset.type = 'NoSuchDataset'
    assert [p.file for p in check_data(cfg, pixels=False).errors] == ['train_dataloader.dataset']


def test_manifest_faults(tmp_path, write_image):
    for index in range(3):
        write_image(tmp_path / f'images/{index}.png', size=SIZE, seed=index)
    (tmp_path / 'labels.csv').write_text(
        'image,labels\n0.png,cat\n1.png,cat\n9.png,cat\n', encoding='utf-8'
    )
    dataset = dict(type='WeakTrCustomDataset', data_root=str(tmp_path))
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    errors = check_data(cfg, progress=False).errors
    assert [(p.check, p.message) for p in errors] == [
        ('image-missing', f"'9.png' is not in {tmp_path}/images")
    ]
    (tmp_path / 'labels.csv').write_text('image,labels\n0.png,cat\n0.png,cat\n', encoding='utf-8')
    errors = check_data(cfg, progress=False).errors
    assert [(p.check, p.file) for p in errors] == [
        ('label-duplicate', f'{tmp_path}/labels.csv, line 3')
    ]
    assert "'0.png' is listed a second time, first as '0.png' in" in errors[0].message


@pytest.mark.parametrize('split', [None, 'splits/train.txt'])
def test_warnings_of_classes_name_a_file_that_is_there(tmp_path, write_image, split):
    for index in range(3):
        write_image(tmp_path / f'images/{index}.png', size=SIZE, seed=index)
    rows = 'image,labels\n0.png,cat\n1.png,cat\n2.png,cat\n'
    (tmp_path / 'labels.csv').write_text(rows, encoding='utf-8')
    if split:
        (tmp_path / split).parent.mkdir()
        (tmp_path / split).write_text('0\n1\n', encoding='utf-8')
    dataset = dict(type='WeakTrCustomDataset', data_root=str(tmp_path))
    report = check_data(Config(dict(train_dataloader=dict(dataset=dataset))), progress=False)
    place = str(tmp_path / (split or 'labels.csv'))
    assert [(p.check, p.file) for p in report.problems] == [
        ('class-rare', place),
        ('class-everywhere', place),
    ]


def run_tool(*arguments):
    paths = [str(TOOL.parents[1]), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding='utf-8', env=environment)


def test_tool(root):
    cfg = config(root)
    cfg.work_dir, cfg.pseudo_labels = 'none', dict(threshold=0.4)
    path = root / 'config.py'
    cfg.dump(path)
    done = run_tool(path, '--workers', '2')
    assert done.returncode == 0, done.stdout + done.stderr
    assert '0 errors, 2 warnings' in done.stdout  # five images of a class are few
    assert 'images: 100%' in done.stderr
    (root / 'SegmentationClass/12.png').unlink()
    done = run_tool(path, '--json')
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert not report['ok']
    errors = [p['check'] for p in report['problems'] if p['severity'] == 'error']
    assert errors == ['mask-missing']
    assert report['estimate'] is None


def test_tool_names_a_config_that_cannot_be_read(tmp_path):
    (tmp_path / 'broken.py').write_text('model = dict(', encoding='utf-8')
    for name, message in (('nope.py', 'no such file'), ('broken.py', 'was never closed')):
        done = run_tool(tmp_path / name)
        assert done.returncode == 2
        line = done.stderr.splitlines()[-1]
        assert line.startswith(f'error: config {tmp_path / name}: ') and message in line
