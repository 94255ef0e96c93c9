from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.evaluation.score_files import (
    confusion_scores,
    read_scores,
    sweep_scores,
    write_scores,
)
from weaktr_mmseg.pseudo_labels.thresholds import ThresholdSweep


def test_undefined_numbers_become_null(tmp_path):
    path = tmp_path / 'sub/scores.json'
    write_scores(path, dict(a=np.array([1.5, np.nan]), b=[np.int64(2)], c=dict(d=np.float32(0.5))))
    assert read_scores(path) == dict(a=[1.5, None], b=[2], c=dict(d=0.5))
    assert read_scores(tmp_path / 'absent.json') is None


@pytest.mark.parametrize('text', ['{"a": ', '[1]'])
def test_torn_or_foreign_file(tmp_path, text):
    path = tmp_path / 'scores.json'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(ValueError, match=r'scores\.json: expected scores as'):
        read_scores(path)


def test_confusion_scores():
    scores = confusion_scores(np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]]))
    assert scores['iou'][:2] == pytest.approx([50, 400 / 7])
    assert np.isnan(scores['iou'][2])
    assert scores['miou'] == pytest.approx((50 + 400 / 7) / 2)
    assert np.isnan(confusion_scores(np.zeros((2, 2), int))['miou'])


def test_sweep_scores_at_the_chosen_and_the_best_threshold():
    sweep = ThresholdSweep(3, [0.2, 0.5, 0.8])
    rng = np.random.default_rng(0)
    sweep.update(rng.random((2, 9, 9)), [0, 1], rng.integers(0, 3, (9, 9)).astype(np.uint8))
    scores, result = sweep_scores(sweep, 0.5), sweep.compute()
    assert scores['chosen']['threshold'] == 0.5
    assert scores['chosen']['miou'] == pytest.approx(result.at(0.5))
    assert scores['oracle']['miou'] == pytest.approx(result.miou.max())
    assert np.array_equal(scores['chosen']['confusion'], sweep.confusion()[1])
    assert sweep_scores(sweep, None)['chosen'] is None
