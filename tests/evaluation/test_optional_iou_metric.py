from __future__ import annotations

import pytest
import torch
from mmseg.registry import METRICS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.evaluation.optional_iou_metric import OptionalIoUMetric
from weaktr_mmseg.utils.masks import read_mask

PREDICTION = torch.tensor([[[0, 1], [1, 1]]])
TRUTH = torch.tensor([[[0, 1], [0, 255]]])


def sample(truth=None, name='a/b'):
    content = dict(pred_sem_seg=dict(data=PREDICTION), sample_id=name, img_path='x/c.jpg')
    return content if truth is None else dict(content, gt_sem_seg=dict(data=truth))


@pytest.fixture
def metric():
    metric = METRICS.build(dict(type='OptionalIoUMetric', iou_metrics=['mIoU'], _scope_='mmseg'))
    assert isinstance(metric, OptionalIoUMetric)
    metric.dataset_meta = dict(classes=['background', 'cat'], palette=[[0, 0, 0], [9, 9, 9]])
    return metric


def test_images_without_mask_do_not_count(metric):
    metric.process({}, [sample(), sample(TRUTH), sample()])
    assert len(metric.results) == 3
    scores = metric.evaluate(3)
    assert scores['mIoU'] == 50  # both classes 1 of 2 pixels
    assert scores['aAcc'] == pytest.approx(66.67)


def test_another_prediction_is_scored_where_there_is_one(metric):
    metric.prediction = 'other'
    metric.process({}, [dict(sample(TRUTH), other=dict(data=torch.zeros_like(TRUTH)))])
    metric.process({}, [sample(TRUTH)])
    assert metric.evaluate(2)['mIoU'] == pytest.approx(100 / 3, abs=0.01)  # 2 of 3 pixels, none


def test_scores_are_absent_without_masks(metric):
    metric.process({}, [sample(), sample()])
    assert metric.evaluate(2) == {}


@pytest.mark.parametrize('format_only', [False, True])
def test_predictions_are_written_for_all(metric, tmp_path, format_only):
    metric.prediction_dir, metric.format_only = str(tmp_path), format_only
    metric.process({}, [sample(name='sub/one'), sample(TRUTH, name=None)])
    assert read_mask(tmp_path / 'sub/one.png').tolist() == PREDICTION[0].tolist()
    assert read_mask(tmp_path / 'c.png').tolist() == PREDICTION[0].tolist()
