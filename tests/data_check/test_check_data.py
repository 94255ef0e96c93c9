from __future__ import annotations

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from small_voc import SIZE, config, save_checkpoint

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.data_check.check_data import check_data
from weaktr_mmseg.data_check.problems import Report
from weaktr_mmseg.datasets.faults import Fault
from weaktr_mmseg.utils.masks import read_mask, write_mask
from weaktr_mmseg.utils.palette import voc_palette

CAT = '<object><name>cat</name></object>'


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


def test_quick_check_opens_no_image(root, monkeypatch):
    real_open = Image.open
    opened = []
    monkeypatch.setattr(Image, 'open', lambda path: (opened.append(str(path)), real_open(path))[1])
    assert check_data(config(root), pixels=False).errors == []
    assert opened and all('SegmentationClass' in path for path in opened)  # a few masks


def test_the_errors_of_a_kind_name_their_file_once_and_the_remedy():
    report = Report()
    for index in range(7):
        report.add_fault(Fault('label-missing', 'labels.csv', f"'{index}' has none", hint='do so'))
    report.error('mask', 'm.png', 'm.png: no mask')
    assert report.error_line() == (
        "label-missing: labels.csv: '0' has none; '1' has none; '2' has none; '3' has none; "
        "'4' has none; and 2 more; do so; mask: m.png: no mask"
    )


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
