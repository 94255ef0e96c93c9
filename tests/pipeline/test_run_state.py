from __future__ import annotations

import json

import pytest

from weaktr_mmseg.pipeline.run_state import STATE_FILE, UPSTREAM, RunState, differences, in_one_line
from weaktr_mmseg.utils.errors import WeakTrInputError

INPUTS = dict(config=dict(lr=0.1, steps=[1, 2]), data=dict(n=3), upstream=dict(weights='ab'))


def test_state_is_read_as_written(tmp_path):
    state = RunState(tmp_path)
    state.begin('cam', INPUTS)
    state.finish('cam', dict(score=0.1 + 0.2))
    state.begin('retrain', INPUTS)
    read = RunState.load(tmp_path)
    assert read.stages == state.stages
    assert read.results('cam') == dict(score=0.1 + 0.2)
    assert read.results('retrain') is None
    assert read.results('unknown') is None
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


def test_beginning_anew_forgets_the_stages_after(tmp_path):
    state = RunState(tmp_path)
    for stage in ('cam', 'pseudo_labels', 'retrain'):
        state.begin(stage, INPUTS)
        state.finish(stage, {})
    state.begin('pseudo_labels', INPUTS)
    assert list(RunState.load(tmp_path).stages) == ['cam', 'pseudo_labels']


def test_changes_name_keys_and_tell_users_from_stages(tmp_path):
    state = RunState(tmp_path)
    state.begin('cam', INPUTS)
    state = RunState.load(tmp_path)
    assert state.changes('cam', INPUTS) == ([], [])
    assert state.changes('retrain', INPUTS) == ([], [])
    now = dict(config=dict(lr=0.2, steps=(1, 2)), data=dict(n=3), upstream=dict(weights='cd'))
    assert UPSTREAM in now
    assert state.changes('cam', now) == (['config.lr: 0.1 -> 0.2'], ['weights: "ab" -> "cd"'])


@pytest.mark.parametrize(
    ('old', 'new', 'lines'),
    [
        (dict(a=1), dict(a=1), []),
        (dict(a=1), dict(b=2), ['a: 1 -> (absent)', 'b: (absent) -> 2']),
        (dict(a=[1, dict(b=2)]), dict(a=[1, dict(b=3)]), ['a[1].b: 2 -> 3']),
        (dict(a=[1]), dict(a=[1, 2]), ['a: [1] -> [1, 2]']),
        (dict(a=None), dict(a='x' * 99), [f'a: null -> "{"x" * 56}...']),
        (dict(a=dict(b=1)), dict(a=2), ['a: {"b": 1} -> 2']),
        (dict(a=True), dict(a=False), ['a: true -> false']),
    ],
)
def test_differences(old, new, lines):
    assert list(differences(old, new)) == lines


def test_many_changes_are_counted():
    assert in_one_line(['a', 'b']) == 'a; b'
    assert in_one_line(list('abcdefgh')) == 'a; b; c; d; e; and 3 more'


def test_folder_without_state(tmp_path):
    assert RunState.load(tmp_path) is None


@pytest.mark.parametrize('content', ['', '[]', '{}', '{"version": 2, "stages": {"cam": 3}}'])
def test_damaged_state_is_refused(tmp_path, content):
    (tmp_path / STATE_FILE).write_text(content, encoding='utf-8')
    with pytest.raises(WeakTrInputError, match=r'state\.json: expected the state of a run'):
        RunState.load(tmp_path)


def test_other_version_is_refused(tmp_path):
    (tmp_path / STATE_FILE).write_text(json.dumps(dict(version=99, stages={})), encoding='utf-8')
    with pytest.raises(WeakTrInputError, match='version 2, got version 99: .*choose another'):
        RunState.load(tmp_path)
