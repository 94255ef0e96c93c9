from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.apis.annotations.runs import from_run_lengths, run_lengths


@pytest.mark.parametrize('fill', [0.0, 0.3, 1.0])
def test_runs_and_back(fill):
    bits = np.random.default_rng(0).random((7, 11)) < fill
    lengths = run_lengths(bits)
    assert sum(lengths) == 77 and all(length > 0 for length in lengths[1:])
    assert (from_run_lengths(lengths, 7, 11) == bits).all()


def test_runs_begin_with_zeros():
    assert run_lengths(np.array([[True, True, False]])) == [0, 2, 1]
    assert run_lengths(np.array([[False], [True]])) == [1, 1]


@pytest.mark.parametrize('lengths', [[5], [7], [-1, 7], []])
def test_runs_that_do_not_fill_the_bitmap_are_refused(lengths):
    with pytest.raises(ValueError, match='expected 2 x 3 pixels together'):
        from_run_lengths(lengths, 2, 3)
