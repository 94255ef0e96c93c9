from __future__ import annotations

import torch

from weaktr_mmseg.checkpoints.coco_ids import (
    ABSENT_CLASS_BIAS,
    scatter_rows,
    select_rows,
    to_contiguous,
    to_original,
)
from weaktr_mmseg.datasets.coco_categories import COCO_CATEGORY_IDS

DIMS = {'head.bias': 0, 'tokens': 1}


def test_selects_the_categories_by_their_ids():
    foreground = select_rows(torch.arange(1, 91), 0, 90)  # row i is category i + 1
    with_background = select_rows(torch.arange(91), 0, 91)  # row i is category i
    assert foreground.tolist() == list(COCO_CATEGORY_IDS)
    assert with_background.tolist() == [0, *COCO_CATEGORY_IDS]


def test_keeps_what_is_behind_the_classes():
    rows = select_rows(torch.arange(90 + 4).reshape(1, -1), 1, 90)
    assert rows.shape == (1, 84)
    assert rows[0, 80:].tolist() == [90, 91, 92, 93]


def test_scatter_puts_rows_back():
    original = torch.randn(2, 91 + 5)
    selected = select_rows(original, 1, 91)
    scattered = scatter_rows(selected, 1, 91, fill=7.0)
    assert scattered.shape == original.shape
    unused = sorted(set(range(91)) - {0, *COCO_CATEGORY_IDS})
    assert (scattered[:, unused] == 7).all()
    assert torch.equal(select_rows(scattered, 1, 91), selected)


def test_both_directions_of_a_state_dict():
    state = {'head.bias': torch.randn(90), 'tokens': torch.randn(1, 94, 3), 'other': torch.ones(90)}

    contiguous = to_contiguous(state, DIMS)
    assert [tuple(contiguous[name].shape) for name in state] == [(80,), (1, 84, 3), (90,)]

    original = to_original(contiguous, DIMS)
    assert [value.shape for value in original.values()] == [value.shape for value in state.values()]
    assert original['head.bias'][11] == ABSENT_CLASS_BIAS  # category 12 does not exist
    assert not original['tokens'][:, 11].any()
    assert torch.equal(original['tokens'][:, 90:], state['tokens'][:, 90:])


def test_other_numbers_of_classes_are_left_alone():
    state = {'head.bias': torch.randn(20), 'tokens': torch.randn(1, 24, 3)}
    for convert in (to_contiguous, to_original):
        converted = convert(state, DIMS)
        assert all(torch.equal(converted[name], state[name]) for name in state)


def test_categories_that_do_not_exist_never_win():
    logits = torch.randn(1000, 80, generator=torch.manual_seed(0)) * 10
    state = to_original({'head.bias': torch.zeros(80)}, {'head.bias': 0})
    scores = scatter_rows(logits, 1, 90) + state['head.bias']
    assert set((scores.argmax(1) + 1).tolist()) <= set(COCO_CATEGORY_IDS)
    absent = sorted(set(range(1, 91)) - set(COCO_CATEGORY_IDS))
    assert scores[:, [i - 1 for i in absent]].sigmoid().max() < 1e-6
