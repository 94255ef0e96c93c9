from __future__ import annotations

import pytest

from weaktr_mmseg.datasets.review_file import match_ticks
from weaktr_mmseg.review import Tick, apply_review, read_review
from weaktr_mmseg.utils.errors import WeakTrInputError


def read(tmp_path, text):
    (tmp_path / 'review.csv').write_text(text, encoding='utf-8')
    return read_review(tmp_path / 'review.csv')


def test_decisions(tmp_path):
    text = (
        '\ufeffimage,action,labels\n"a, b.jpg",drop,\nsub\\x.jpg,relabel,"cat; ""do"" "\ny,trust,\n'
    )
    assert read(tmp_path, text) == {
        'a, b.jpg': Tick('drop'),
        'sub/x.jpg': Tick('relabel', ('cat', '"do"')),
        'y': Tick('trust'),
    }
    assert read(tmp_path, 'image,action\nx.jpg,trust\n') == {'x.jpg': Tick('trust')}
    assert read(tmp_path, 'image,action\n') == {}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', r'review\.csv: the first line must name the columns image,action'),
        ('image;action\n', 'must name the columns'),
        ('image,action\nx,keep\n', "line 2: expected drop, relabel, trust, got 'keep'"),
        ('image,action\nx\n', "got ''"),
        ('image,action\nx,drop\nx,trust\n', "line 3: expected an image not listed before, got 'x'"),
        ('image,action\n,drop\n', 'expected an image not listed before'),
        ('image,action\nx,relabel\n', "expected the labels .* in the column 'labels'"),
        ('image,action,labels\nx,relabel, ; \n', 'expected the labels'),
    ],
)
def test_wrong_files(tmp_path, text, message):
    with pytest.raises(WeakTrInputError, match=message):
        read(tmp_path, text)


def test_an_absent_file(tmp_path):
    with pytest.raises(WeakTrInputError, match=r'absent\.csv'):
        read_review(tmp_path / 'absent.csv')


def test_labels_after_a_review():
    labels = {'a.jpg': ['cat'], 'b': ['dog'], 'c.jpg': ['cat'], 'd.v2': ['dog']}
    ticks = {
        'a.jpg': Tick('drop'),
        'b.png': Tick('relabel', ('cat', 'dog')),
        'c': Tick('trust'),
        'd.v2': Tick('relabel', ('cat',)),
        'gone.jpg': Tick('drop'),
    }
    assert apply_review(labels, ticks) == {'b': ['cat', 'dog'], 'c.jpg': ['cat'], 'd.v2': ['cat']}
    assert labels['b'] == ['dog']


def test_dots_in_names_are_no_suffixes():
    ticks = {'a/photo.1.jpg': Tick('drop'), 'b.2': Tick('trust')}
    assert match_ticks(['a/photo.1', 'a/photo.2', 'b.2'], ticks) == {
        'a/photo.1': Tick('drop'),
        'b.2': Tick('trust'),
    }


def test_what_follows_a_dot_is_a_suffix_only_of_images():
    tick = {'a.jpg': Tick('drop')}
    assert match_ticks(['a.b', 'a.c'], tick) == {}
    assert match_ticks(['a', 'a.b'], tick) == {'a': Tick('drop')}


def test_ticks_never_decide_in_silence():
    ticks = {'a': Tick('drop'), 'a.jpg': Tick('trust')}
    with pytest.raises(WeakTrInputError, match=r"'a' and 'a\.jpg' are one photograph"):
        match_ticks(['a.jpg'], ticks)
    with pytest.raises(WeakTrInputError, match=r"'a' could mean 'a\.jpg' and 'a\.png'"):
        match_ticks(['a.jpg', 'a.png'], {'a': Tick('drop')})
