from __future__ import annotations

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.utils.errors import WeakTrInputError


@pytest.fixture
def custom_root(tmp_path, write_image):
    """Twenty images in two folders and three formats; even ones show cats, odd ones dogs."""
    rows = ['image,labels']
    for index in range(20):
        name = f'{"ab"[index % 2]}/photo {index:02d}.{("jpg", "png", "bmp")[index % 3]}'
        write_image(tmp_path / 'images' / name, seed=index)
        rows.append(f'{name},{("cat", "dog")[index % 2]}')
    (tmp_path / 'labels.csv').write_text('\n'.join(rows), encoding='utf-8')
    return tmp_path


def write_masks(root, count):
    for image in sorted((root / 'images').rglob('*.*'))[:count]:
        path = root / 'masks' / image.relative_to(root / 'images').with_suffix('.png')
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((16, 24), np.uint8)).save(path)


def build(root, **kwargs):
    config = dict(type='WeakTrCustomDataset', data_root=str(root), _scope_='mmseg', **kwargs)
    dataset = DATASETS.build(config)
    return dataset, [dataset.get_data_info(i) for i in range(len(dataset))]


def test_only_images_and_a_table(custom_root):
    dataset, infos = build(custom_root, masks=True)
    assert dataset.metainfo['classes'] == ['background', 'cat', 'dog']
    assert dataset.metainfo['palette'] == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    assert [info['sample_id'] for info in infos][:2] == ['a/photo 00', 'a/photo 02']
    assert [info['image_labels'] for info in infos] == [[0]] * 10 + [[1]] * 10
    assert not any('seg_map_path' in info for info in infos)
    assert len(build(custom_root, ann_file='splits/val.txt')[1]) == 20


def test_masks_are_listed_only_when_asked_for(custom_root):
    write_masks(custom_root, 20)
    assert not any('seg_map_path' in info for info in build(custom_root)[1])
    info = build(custom_root, masks=True)[1][0]
    assert info['seg_map_path'] == f'{custom_root}/masks/{info["sample_id"]}.png'


@pytest.mark.parametrize('count', [3, 20])
def test_automatic_split(custom_root, count):
    write_masks(custom_root, count)
    train = {info['sample_id'] for info in build(custom_root)[1]}
    infos = build(custom_root, ann_file='splits/val.txt', masks=True)[1]
    val = {info['sample_id'] for info in infos}
    assert len(train) + len(val) == 20 and not train & val
    assert 2 <= len(val) <= 3
    assert all('seg_map_path' in info for info in infos)


@pytest.mark.parametrize('given,other', [('train', 'val'), ('val', 'train')])
def test_one_split_file_gives_the_other(custom_root, given, other):
    (custom_root / 'splits').mkdir()
    (custom_root / f'splits/{given}.txt').write_text(
        'a/photo 00.jpg\nb/photo 01\n', encoding='utf-8'
    )
    samples = [i['sample_id'] for i in build(custom_root, ann_file=f'splits/{given}.txt')[1]]
    assert samples == ['a/photo 00', 'b/photo 01']
    rest = [i['sample_id'] for i in build(custom_root, ann_file=f'splits/{other}.txt')[1]]
    assert len(rest) == 18 and not set(rest) & set(samples)


def test_another_split_must_exist(custom_root):
    with pytest.raises(FileNotFoundError, match=r'split file not found: .*mine\.txt'):
        build(custom_root, ann_file='mine.txt')


def test_listed_image_must_exist(custom_root):
    (custom_root / 'images/a/photo 00.jpg').unlink()
    with pytest.raises(
        FileNotFoundError, match=r"labels\.csv, line 2: 'a/photo 00\.jpg' is not in "
    ):
        build(custom_root)


def test_classes_of_the_config_win(custom_root):
    classes = ['background', 'dog', 'cat']
    infos = build(custom_root, metainfo=dict(classes=classes))[1]
    assert infos[0]['image_labels'] == [1]
    assert 'image_labels' not in build(custom_root, labels=None)[1][0]


def write_review(root, *rows, name='review.csv'):
    (root / name).write_text('\n'.join(['image,action,labels', *rows]), encoding='utf-8')


def test_ticks_of_the_review_page_change_the_data(custom_root):
    write_review(
        custom_root,
        'a/photo 00.jpg,drop,',
        'a/photo 02,relabel,dog;cat',
        'b/photo 01.png,trust,',
        'of another run.jpg,drop,',
    )
    infos = {info['sample_id']: info for info in build(custom_root)[1]}
    assert len(infos) == 19 and 'a/photo 00' not in infos
    assert infos['a/photo 02']['image_labels'] == [0, 1]
    assert infos['b/photo 01']['image_labels'] == [1]
    assert infos['a/photo 04']['image_labels'] == [0]
    retraining = [info['sample_id'] for info in build(custom_root, labels=None)[1]]
    assert retraining == list(infos)
    assert len(build(custom_root, review=None)[1]) == 20


def test_a_review_file_can_be_named(custom_root):
    write_review(custom_root, 'a/photo 00.jpg,drop,', name='second look.csv')
    assert len(build(custom_root)[1]) == 20
    assert len(build(custom_root, review='second look.csv')[1]) == 19
    with pytest.raises(WeakTrInputError, match=r'none\.csv'):
        build(custom_root, review='none.csv')


def test_a_decision_settles_the_faults_of_its_photographs(custom_root):
    table = custom_root / 'labels.csv'
    (custom_root / 'classes.txt').write_text('cat\ndog', encoding='utf-8')
    text = table.read_text(encoding='utf-8').replace('photo 00.jpg,cat', 'photo 00.jpg,cta')
    table.write_text(text.replace('photo 02.bmp,cat', 'photo 02.bmp,'), encoding='utf-8')
    with pytest.raises(WeakTrInputError, match='cta'):
        build(custom_root)
    write_review(custom_root, 'a/photo 00.jpg,drop,', 'a/photo 02.bmp,relabel,cat')
    infos = build(custom_root)[1]
    assert len(infos) == 19 and infos[0]['image_labels'] == [0]


def test_an_unknown_class_of_a_review_is_named(custom_root):
    write_review(custom_root, 'a/photo 00.jpg,relabel,hamster')
    with pytest.raises(WeakTrInputError, match=r'review\.csv: a/photo 00: .*hamster'):
        build(custom_root)


@pytest.mark.parametrize(
    ('file', 'split'),
    [('validation.txt', 'val.txt'), ('Train.txt', 'train.txt'), ('train.csv', 'train.txt')],
)
def test_a_split_file_of_another_name_is_not_passed_over(custom_root, file, split):
    (custom_root / 'splits').mkdir()
    (custom_root / 'splits' / file).write_text('a/photo 00\n', encoding='utf-8')
    config = dict(type='WeakTrCustomDataset', data_root=str(custom_root), lazy_init=True)
    faults = DATASETS.build(dict(config, ann_file=f'splits/{split}')).scan()[1]
    (fault,) = [fault for fault in faults if fault.check == 'split-unread']
    assert fault.message == f"'{file}' is not read: expected the name '{split}'"
    (custom_root / 'splits' / split).write_text('b/photo 01\n', encoding='utf-8')
    faults = DATASETS.build(dict(config, ann_file=f'splits/{split}')).scan()[1]
    assert not [fault for fault in faults if fault.check == 'split-unread']


@pytest.mark.parametrize('name', ['nan', 'None', 'N/A', '-', '<null>'])
def test_what_stands_for_no_label_is_no_silent_class(custom_root, name):
    table = custom_root / 'labels.csv'
    text = table.read_text(encoding='utf-8')
    table.write_text(text.replace('dog', name, 1), encoding='utf-8')
    config = dict(type='WeakTrCustomDataset', data_root=str(custom_root), lazy_init=True)
    faults = DATASETS.build(config).scan()[1]
    (fault,) = [fault for fault in faults if fault.check == 'class-name']
    assert fault.message == f"'{name}' looks like a missing label; leave its cell empty"


@pytest.mark.parametrize('name', ['Images', 'image', 'IMAGES'])
def test_a_folder_of_nearly_the_name_is_told(custom_root, name):
    (custom_root / 'images').rename(custom_root / name)
    with pytest.raises(FileNotFoundError, match=f"folder not found: .*images, but '{name}' is"):
        build(custom_root)


@pytest.mark.parametrize('name', ['Masks', 'mask'])
def test_masks_in_a_folder_of_nearly_the_name_are_not_passed_over(custom_root, name):
    write_masks(custom_root, 20)
    (custom_root / 'masks').rename(custom_root / name)
    config = dict(type='WeakTrCustomDataset', data_root=str(custom_root), lazy_init=True)
    faults = DATASETS.build(dict(config, masks=True)).scan()[1]
    assert [fault.message for fault in faults] == [f"has no folder 'masks', but '{name}' is there"]
    assert not DATASETS.build(dict(config)).scan()[1]
