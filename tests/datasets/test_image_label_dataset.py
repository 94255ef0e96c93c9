from __future__ import annotations

import builtins

import pytest
from mmseg.registry import DATASETS

from weaktr_mmseg.datasets.image_label_dataset import ImageLabelDataset
from weaktr_mmseg.datasets.listing_cache import listed_once

CLASSES = ['background', 'cat', 'dog']


def build(root, **kwargs):
    config = dict(
        type='ImageLabelDataset',
        data_root=str(root),
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path=None),
        labels=dict(type='voc_xml', path='Annotations'),
        metainfo=dict(classes=CLASSES),
        _scope_='mmseg',
    )
    return DATASETS.build({**config, **kwargs})


def test_data_info(voc_root):
    dataset = build(voc_root)
    assert len(dataset) == 2
    info = dataset.get_data_info(1)
    assert info['sample_id'] == '2007_2'
    assert info['image_labels'] == [0, 1]
    assert info['num_foreground'] == 2
    assert info['img_path'] == str(voc_root / 'JPEGImages/2007_2.jpg')
    assert len(dataset.metainfo['palette']) == 3
    assert {'label_map', 'reduce_zero_label', 'seg_fields', 'sample_idx'} <= set(info)


def test_masks_only_when_asked_for(voc_root):
    assert 'seg_map_path' not in build(voc_root).get_data_info(0)
    masks = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
    info = build(voc_root, data_prefix=masks).get_data_info(0)
    assert info['seg_map_path'] == str(voc_root / 'SegmentationClass/2007_1.png')


def test_training_pipeline_opens_no_mask(voc_root, monkeypatch):
    opened = []
    real_open = builtins.open
    monkeypatch.setattr(
        builtins,
        'open',
        lambda file, *a, **k: (opened.append(str(file)), real_open(file, *a, **k))[1],
    )
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackImageLabelInputs')]
    dataset = build(voc_root, pipeline=pipeline)
    assert [dataset[i]['data_samples'].image_labels.tolist() for i in range(2)] == [[1, 0], [1, 1]]
    assert any(path.endswith('.jpg') for path in opened)
    assert not any('SegmentationClass' in path for path in opened)


def test_without_labels(voc_root):
    info = build(voc_root, labels=None, ann_file='').get_data_info(2)
    assert info['sample_id'] == '2007_3'
    assert 'image_labels' not in info


def test_empty_ann_file_takes_the_labelled_images(voc_root, write_image):
    write_image(voc_root / 'JPEGImages/unlabelled.jpg')
    assert len(build(voc_root, ann_file='')) == 3


def test_any_suffix_and_sub_folders(voc_root, write_image, write_voc_xml):
    write_image(voc_root / 'JPEGImages/sub/photo.one.PNG')
    write_voc_xml(voc_root / 'Annotations/sub/photo.one.xml', ['dog'])
    split = voc_root / 'ImageSets/Segmentation/train.txt'
    for name in ('sub/photo.one', 'sub/photo.one.PNG', '.\\sub\\photo.one'):
        split.write_text(name, encoding='utf-8')
        info = build(voc_root).get_data_info(0)
        assert info['sample_id'] == 'sub/photo.one'
        assert info['img_path'].endswith('sub/photo.one.PNG')


def test_split_missing(voc_root):
    with pytest.raises(FileNotFoundError, match=r'split file not found: .*no\.txt'):
        build(voc_root, ann_file='no.txt')


def test_split_empty(voc_root):
    (voc_root / 'empty.txt').write_text('\n \n', encoding='utf-8')
    with pytest.raises(ValueError, match=r'split file is empty: .*empty\.txt'):
        build(voc_root, ann_file='empty.txt')


def test_image_missing(voc_root):
    split = voc_root / 'ImageSets/Segmentation/train.txt'
    split.write_text('2007_1\nnope\n2007_2\ngone\n', encoding='utf-8')
    with pytest.raises(
        FileNotFoundError, match=r"train\.txt: 'nope' is not in .*'gone' is not in "
    ):
        build(voc_root)


def test_image_folder_missing(voc_root):
    with pytest.raises(FileNotFoundError, match='folder not found: .*Photos'):
        build(voc_root, data_prefix=dict(img_path='Photos'))


def test_mask_missing(voc_root):
    (voc_root / 'SegmentationClass/2007_2.png').unlink()
    with pytest.raises(
        FileNotFoundError, match=r"'2007_2\.png' is not there, the mask of .*2007_2\.jpg"
    ):
        build(voc_root, data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'))


def test_two_images_of_one_name(voc_root, write_image):
    write_image(voc_root / 'JPEGImages/2007_1.png')
    with pytest.raises(ValueError, match='differ only in their suffix'):
        build(voc_root)


def test_image_without_label(voc_root, write_voc_xml):
    write_voc_xml(voc_root / 'Annotations/2007_1.xml', [])
    with pytest.raises(ValueError, match="Annotations: '2007_1' has no label; .*unlabelled=keep"):
        build(voc_root)
    assert build(voc_root, unlabelled='keep').get_data_info(0)['image_labels'] == []
    dropped = build(voc_root, unlabelled='drop')
    assert [dropped.get_data_info(i)['sample_id'] for i in range(len(dropped))] == ['2007_2']
    with pytest.raises(ValueError, match="unlabelled must be one of .* got 'skip'"):
        build(voc_root, unlabelled='skip')


def test_unknown_label(voc_root, write_voc_xml):
    write_voc_xml(voc_root / 'Annotations/2007_2.xml', ['dogg'])
    with pytest.raises(
        ValueError,
        match=r"2007_2\.xml: label 'dogg' is not in the class list "
        r"\(did you mean 'dog'\?\); known classes: cat, dog",
    ):
        build(voc_root)


def test_no_classes(voc_root):
    with pytest.raises(ValueError, match='image labels need metainfo'):
        build(voc_root, metainfo=None)


def test_voc_dataset(voc_root):
    dataset = DATASETS.build(
        dict(
            type='WeakTrVOCDataset',
            data_root=str(voc_root),
            ann_file='ImageSets/Segmentation/train.txt',
            _scope_='mmseg',
        )
    )
    assert len(dataset.metainfo['classes']) == len(dataset.metainfo['palette']) == 21
    assert dataset.get_data_info(1)['image_labels'] == [7, 11]  # cat, dog


@pytest.fixture
def scans(monkeypatch):
    made, scan = [], ImageLabelDataset._scan
    monkeypatch.setattr(
        ImageLabelDataset, '_scan', lambda self, faults: (made.append(self), scan(self, faults))[1]
    )
    return made


def test_a_run_scans_what_several_loaders_read_once(voc_root, scans):
    with listed_once():
        first = build(voc_root)
        first.get_data_info(0)['image_labels'].append(7)  # its copy is a loader's own
        second = build(voc_root, test_mode=True, serialize_data=False)
        assert second.get_data_info(0)['image_labels'] == [0]
    assert len(scans) == 1
    build(voc_root)
    assert len(scans) == 2


@pytest.mark.parametrize(
    'other',
    [
        dict(data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass')),
        dict(metainfo=dict(classes=['background', 'dog', 'cat'])),
        dict(labels=None),
        dict(unlabelled='drop'),
    ],
)
def test_other_options_are_scanned_on_their_own(voc_root, scans, other):
    with listed_once():
        listed = [build(voc_root).load_data_list(), build(voc_root, **other).load_data_list()]
    assert len(scans) == 2
    assert listed[0] != listed[1] or 'unlabelled' in other  # all are labelled here
