from __future__ import annotations

import pytest

from weaktr_mmseg.datasets.label_sources.class_discovery import (
    discover_classes,
    has_masks,
    hold_out,
)


def test_classes_of_the_manifest_are_sorted(tmp_path):
    (tmp_path / 'labels.csv').write_text('image,labels\na,dog;cat\nb,ant\n', encoding='utf-8')
    assert discover_classes(tmp_path) == ['background', 'ant', 'cat', 'dog']


@pytest.mark.parametrize('text', ['dog\ncat\n\nant\n', 'background\ndog\ncat\nant'])
def test_class_file_fixes_the_order(tmp_path, text):
    (tmp_path / 'labels.json').write_text('{"a": ["dog"]}', encoding='utf-8')
    (tmp_path / 'classes.txt').write_text(text, encoding='utf-8')
    assert discover_classes(tmp_path) == ['background', 'dog', 'cat', 'ant']


@pytest.mark.parametrize(
    'text,message',
    [
        ('', r'classes\.txt: no class found'),
        ('background', r'classes\.txt: no class found'),
        ('cat\nbackground', r"classes\.txt: 'background' must be the first line"),
        ('cat\ndog\ncat', r"classes\.txt: class names occur more than once: \['cat'\]"),
    ],
)
def test_bad_class_file(tmp_path, text, message):
    (tmp_path / 'labels.csv').write_text('image,labels\na,cat\n', encoding='utf-8')
    (tmp_path / 'classes.txt').write_text(text, encoding='utf-8')
    with pytest.raises(ValueError, match=message):
        discover_classes(tmp_path)


def test_bad_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match='data folder not found: .*set the .*WEAKTR_DATA'):
        discover_classes(tmp_path / 'none')
    with pytest.raises(FileNotFoundError, match=r'has no labels\.csv or labels\.json'):
        discover_classes(tmp_path)
    (tmp_path / 'Labels.xlsx').touch()
    with pytest.raises(FileNotFoundError, match=r"but 'Labels\.xlsx'; save it as CSV"):
        discover_classes(tmp_path)
    (tmp_path / 'labels.csv').write_text('image,labels\na,\n', encoding='utf-8')
    with pytest.raises(ValueError, match=r'labels\.csv: no class found'):
        discover_classes(tmp_path)
    (tmp_path / 'labels.csv').write_text('image,labels\na,background;cat\n', encoding='utf-8')
    with pytest.raises(ValueError, match=r"labels\.csv: 'background' is what no label names"):
        discover_classes(tmp_path)
    (tmp_path / 'labels.json').write_text('{}', encoding='utf-8')
    with pytest.raises(ValueError, match=r'both labels\.csv and labels\.json; keep one'):
        discover_classes(tmp_path)


@pytest.mark.parametrize('given', ['.', 'data/images'])
def test_a_folder_above_or_below_the_data_is_told(tmp_path, given):
    (tmp_path / 'data/images').mkdir(parents=True)
    (tmp_path / 'data/labels.csv').touch()
    with pytest.raises(FileNotFoundError, match="but '.*data' has; take that as the data folder"):
        discover_classes(str(tmp_path / given))


def test_has_masks(tmp_path):
    assert not has_masks(tmp_path)
    (tmp_path / 'masks/sub').mkdir(parents=True)
    assert not has_masks(tmp_path)
    (tmp_path / 'masks/sub/a.png').touch()
    (tmp_path / 'images/sub').mkdir(parents=True)
    (tmp_path / 'images/sub/b.jpg').touch()
    assert not has_masks(tmp_path)
    (tmp_path / 'images/sub/a.jpg').touch()
    assert has_masks(tmp_path)


@pytest.mark.parametrize(
    'count,masked,val', [(100, 100, 10), (100, 50, 10), (100, 5, 5), (20, 1, 1), (5, 5, 1)]
)
def test_hold_out(count, masked, val):
    samples = [f'{i:03d}' for i in range(count)]
    with_mask = set(samples[::2][:masked]) | set(samples[: max(0, masked - count // 2) * 2])
    with_mask = set(sorted(with_mask)[:masked])
    train, held_out = hold_out(samples, with_mask)
    assert sorted(train + held_out) == samples
    assert abs(len(held_out) - val) <= 1
    assert set(held_out) <= with_mask


def test_hold_out_without_masks():
    assert hold_out(['a', 'b'], ()) == (['a', 'b'], ['a', 'b'])


@pytest.mark.parametrize('count', [3, 12, 100])
def test_training_keeps_an_image_of_every_class(count):
    samples = [f'{i:03d}' for i in range(count)]
    labels = {sample: ['common'] for sample in samples}
    labels['000'] = ['common', 'rare']  # where a hold-out by position begins
    train, val = hold_out(samples, samples, labels)
    assert '000' in train
    assert val and len(val) == len(hold_out(samples, samples)[1])
    assert {name for sample in train for name in labels[sample]} == {'common', 'rare'}


def test_a_class_of_two_images_loses_one_at_most():
    labels = {'a': ['cat'], 'b': ['cat'], 'c': ['dog'], 'd': ['dog']}
    train, val = hold_out(list(labels), ['a', 'b'], labels)
    assert val == ['a']
    assert train == ['b', 'c', 'd']


def test_nothing_can_be_held_out_of_single_images():
    labels = {'a': ['cat'], 'b': ['dog']}
    with pytest.raises(ValueError, match=r'no image can be held out .* write splits/train\.txt'):
        hold_out(list(labels), ['a', 'b'], labels)
