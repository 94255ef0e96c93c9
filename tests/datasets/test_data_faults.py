"""Faulty samples: an error that names the file, or the run goes on without them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

import weaktr_mmseg.datasets  # noqa: F401
from weaktr_mmseg.data_check.check_data import check_data
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.masks import write_mask

CLASSES = ['background', 'cat', 'dog']
MASKS = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
LOAD_MASK = dict(type='LoadAnnotations', reduce_zero_label=False)


def truncate(path):
    path.write_bytes(path.read_bytes()[:40])


def pseudo(root):
    folder = root / 'pseudo_labels'
    for index in (1, 2, 3):
        write_mask(folder / f'masks/2007_{index}.png', np.ones((16, 24), np.uint8), [[0] * 3])
    return dict(type='LoadPseudoLabel', folder=str(folder))


# What breaks sample 2007_2, the rest of the pipeline and options, a part of the message.
FAULTS = {
    'corrupt image': (lambda r: truncate(r / 'JPEGImages/2007_2.jpg'), [], {}, r'2007_2\.jpg'),
    'text in place of an image': (
        lambda r: (r / 'JPEGImages/2007_2.jpg').write_bytes(b'no image'), [], {}, r'2007_2\.jpg'),
    'missing image': (lambda r: (r / 'JPEGImages/2007_2.jpg').unlink(), [], {}, "'2007_2'"),
    'label outside the classes': (
        lambda r: (r / 'Annotations/2007_2.xml').write_bytes(
            b'<annotation><object><name>unicorn</name></object></annotation>'), [], {},
        r"2007_2\.xml: label 'unicorn' is not in the class list"),
    'annotation that is no XML': (
        lambda r: (r / 'Annotations/2007_2.xml').write_bytes(b'<annotation>'), [], {},
        r'2007_2\.xml: '),
    'missing annotation': (
        lambda r: (r / 'Annotations/2007_2.xml').unlink(), [], {}, r'2007_2\.xml'),
    'image without a label': (
        lambda r: (r / 'Annotations/2007_2.xml').write_bytes(b'<annotation/>'), [], {}, "'2007_2'"),
    'corrupt mask': (
        lambda r: truncate(r / 'SegmentationClass/2007_2.png'), [LOAD_MASK],
        dict(data_prefix=MASKS), r'2007_2\.jpg: '),
    'missing mask': (
        lambda r: (r / 'SegmentationClass/2007_2.png').unlink(), [LOAD_MASK],
        dict(data_prefix=MASKS), '2007_2'),
    'missing pseudo label': (
        lambda r: (r / 'pseudo_labels/masks/2007_2.png').unlink(), [pseudo], {},
        r'2007_2\.png: no pseudo label'),
    'corrupt pseudo label': (
        lambda r: truncate(r / 'pseudo_labels/masks/2007_2.png'), [pseudo], {}, r'2007_2\.png'),
    'pseudo label of another size': (
        lambda r: write_mask(r / 'pseudo_labels/masks/2007_2.png', np.ones((3, 3)), [[0] * 3]),
        [pseudo], {}, r'2007_2\.png: expected the size \(16, 24\)'),
    'pseudo label outside the classes': (
        lambda r: write_mask(r / 'pseudo_labels/masks/2007_2.png', np.full((16, 24), 3), [[0] * 3]),
        [pseudo], {}, r'2007_2\.png: expected labels 0\.\.2 or 255, got 3'),
    'missing CAM file': (
        lambda r: None, [dict(type='LoadPseudoLabel', folder='{root}', rule=dict(threshold=0.4))],
        {}, r'cams/2007_[123]\.npz: no pseudo label'),
}  # fmt: skip


def build(root, break_it, steps, options, **more):
    """A data set of three samples; ``break_it`` makes its second faulty."""
    (root / 'ImageSets/Segmentation/train.txt').write_text(
        '2007_1\n2007_2\n2007_3\n', encoding='utf-8'
    )
    steps = [step(root) if callable(step) else step for step in steps]
    for step in steps:
        if step.get('folder') == '{root}':
            step = step.update(folder=str(root))
    break_it(root)
    config = dict(
        type='ImageLabelDataset',
        data_root=str(root),
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages'),
        labels=dict(type='voc_xml', path='Annotations'),
        metainfo=dict(classes=CLASSES),
        pipeline=[dict(type='WeakTrLoadImage'), *steps, dict(type='PackImageLabelInputs')],
        _scope_='mmseg',
    )
    return DATASETS.build({**config, **options, **more})


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize('fault', FAULTS)
def test_stops_and_names_the_file(voc_root, fault, test_mode):
    *_, message = FAULTS[fault]
    with pytest.raises(WeakTrInputError, match=message) as caught:
        dataset = build(voc_root, *FAULTS[fault][:3], test_mode=test_mode)
        for index in range(3):
            dataset[index]
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize('fault', [name for name in FAULTS if name != 'missing CAM file'])
def test_skips_and_tells_why(voc_root, fault, test_mode):
    *_, message = FAULTS[fault]
    dataset = build(voc_root, *FAULTS[fault][:3], test_mode=test_mode, on_fault='skip')
    assert [dataset.get_data_info(i)['sample_id'] for i in range(len(dataset))] == [
        '2007_1',
        '2007_3',
    ]
    assert list(dataset.faults) == ['2007_2']
    with pytest.raises(ValueError, match=message):
        raise ValueError(dataset.faults['2007_2'])
    for index in range(2):
        assert dataset[index]['data_samples'].sample_id in ('2007_1', '2007_3')


def test_nothing_but_faults_is_an_error_even_so(voc_root):
    with pytest.raises(WeakTrInputError, match=r'all 3 samples are faulty; the first: .*2007_1'):
        build(voc_root, *FAULTS['missing CAM file'][:3], on_fault='skip')
    shutil.rmtree(voc_root / 'JPEGImages')
    (voc_root / 'JPEGImages').mkdir()
    with pytest.raises(WeakTrInputError, match=r"no sample is left .* 3 are faulty, .*'2007_1'"):
        build(voc_root, lambda r: None, [], {}, on_fault='skip')


def test_a_file_lost_after_the_start(voc_root):
    """Training takes another image; a test must not score another one in its place."""
    train = build(voc_root, lambda r: None, [], {}, on_fault='skip')
    test = build(voc_root, lambda r: None, [], {}, on_fault='skip', test_mode=True)
    (voc_root / 'JPEGImages/2007_2.jpg').unlink()
    assert train[1]['data_samples'].sample_id in ('2007_1', '2007_3')
    with pytest.raises(WeakTrInputError, match=r'2007_2\.jpg'):
        test[1]


def test_manifest(voc_root):
    (voc_root / 'labels.csv').write_text(
        'image,labels\n2007_1,cat\n2007_2,unicorn\n2007_3,\n2007_9,dog\n',
        encoding='utf-8',
    )
    options = dict(labels=dict(type='manifest', path='labels.csv'), ann_file='')
    with pytest.raises(WeakTrInputError, match=r"labels\.csv, line 3: label 'unicorn'"):
        build(voc_root, lambda r: None, [], options)
    dataset = build(voc_root, lambda r: None, [], options, on_fault='skip')
    assert [info['sample_id'] for info in (dataset.get_data_info(0),)] == ['2007_1']
    assert len(dataset) == 1
    assert set(dataset.faults) == {'2007_2', '2007_3', '2007_9'}
    assert 'line 3' in dataset.faults['2007_2']
    assert 'has no label' in dataset.faults['2007_3']
    assert 'is not in' in dataset.faults['2007_9']


def test_policy_is_checked(voc_root):
    with pytest.raises(ValueError, match="on_fault must be one of .*got 'ignore'"):
        build(voc_root, lambda r: None, [], {}, on_fault='ignore')


@pytest.mark.parametrize('on_fault', ['stop', 'skip'])
def test_the_doctor_warns_of_what_will_be_skipped(voc_root, on_fault):
    truncate(voc_root / 'JPEGImages/2007_2.jpg')
    (voc_root / 'Annotations/2007_3.xml').write_text('<annotation/>', encoding='utf-8')
    (voc_root / 'ImageSets/Segmentation/train.txt').write_text(
        '2007_1\n2007_2\n2007_3\n2007_9\n', encoding='utf-8'
    )
    dataset = dict(
        type='ImageLabelDataset',
        data_root=str(voc_root),
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages'),
        labels=dict(type='voc_xml', path='Annotations'),
        metainfo=dict(classes=CLASSES),
        on_fault=on_fault,
    )
    report = check_data(Config(dict(train_dataloader=dict(dataset=dataset))), progress=False)
    found = {problem.check: problem.severity for problem in report.problems}
    severity = 'error' if on_fault == 'stop' else 'warning'
    for check in ('image-unreadable', 'image-missing', 'label-missing'):
        assert found[check] == severity


@pytest.mark.parametrize('size', [(1, 1), (1, 60), (60, 1), (5, 7), (1, 400)])
@pytest.mark.parametrize('config', ['voc_cam', 'voc_retrain'])
def test_tiny_images_pass_every_pipeline(voc_root, size, config, request):
    """Images narrower than a patch, through the pipelines of the published recipe."""
    cfg = Config.fromfile(request.config.rootpath / f'configs/weaktr_{config}.py')
    for folder, mode, name in (('JPEGImages', 'RGB', '2007_2.jpg'),
                               ('SegmentationClass', 'L', '2007_2.png')):  # fmt: skip
        Image.new(mode, size).save(voc_root / folder / name)
    write_mask(voc_root / 'masks/2007_2.png', np.ones(size[::-1], np.uint8), [[0] * 3])
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = dict(cfg[loader].dataset, data_root=str(voc_root))
        dataset.update(type='ImageLabelDataset', data_prefix=MASKS, metainfo=dict(classes=CLASSES))
        dataset['labels'] = dict(type='voc_xml', path='Annotations')
        dataset['ann_file'] = 'ImageSets/Segmentation/train.txt'
        for step in dataset['pipeline']:
            if step['type'] == 'LoadPseudoLabel':
                step['folder'] = str(voc_root)
        sample = DATASETS.build({**dataset, '_scope_': 'mmseg'})[1]
        inputs = sample['inputs'] if isinstance(sample['inputs'], list) else [sample['inputs']]
        if config == 'voc_cam':  # the segmentor's preprocessor pads
            assert all(min(image.shape[1:]) >= 16 for image in inputs)
