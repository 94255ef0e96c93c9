from __future__ import annotations

import socket

import numpy as np
import pytest
import torch
from mmengine.dist import get_rank
from mmseg.registry import METRICS

from weaktr_mmseg.engine.distributed import init_cpu_process_group
from weaktr_mmseg.evaluation.average_precision import mean_average_precision
from weaktr_mmseg.evaluation.cam_metric import WeakTrCAMMetric
from weaktr_mmseg.pseudo_labels.labelling import label_map
from weaktr_mmseg.pseudo_labels.threshold_choice import otsu_threshold
from weaktr_mmseg.utils.confusion import confusion_matrix, mean_iou

NAMES = ('background', 'cat', 'cow', 'dog')
COUNT = 5


def make_samples(truth=True, coarse=True):
    """Predictions of five images as mmengine hands them to a metric."""
    generator = torch.manual_seed(0)
    samples = []
    for present in ([0], [1, 2], [2], [0, 1], []):
        classes = torch.tensor(present, dtype=torch.long)
        mask = torch.randint(0, 5, (1, 8, 9), generator=generator).to(torch.uint8)
        sample = dict(
            cam_classes=classes,
            cams=torch.rand(len(classes), 8, 9, generator=generator),
            coarse_cams=torch.rand(len(classes), 8, 9, generator=generator),
            class_scores=torch.rand(3, generator=generator),
            image_labels=torch.zeros(3).index_fill(0, classes, 1),
            gt_sem_seg=dict(data=torch.where(mask == 4, 255, mask)),
        )
        for key, wanted in (('gt_sem_seg', truth), ('coarse_cams', coarse)):
            if not wanted:
                del sample[key]
        samples.append(sample)
    return samples


def build(threshold=0.437):
    metric = METRICS.build(dict(type='WeakTrCAMMetric', threshold=threshold))
    metric.dataset_meta = dict(classes=NAMES)
    return metric


def evaluate(samples, threshold=0.437, size=None):
    metric = build(threshold)
    for start in range(0, len(samples), 2):
        metric.process({}, samples[start : start + 2])
    return metric.evaluate(len(samples) if size is None else size)


def naive_miou(samples, key, threshold):
    total = np.zeros((4, 4), np.int64)
    for sample in samples:
        cams, ids = sample[key].numpy(), sample['cam_classes'].numpy()
        truth = sample['gt_sem_seg']['data'][0].numpy()
        total += confusion_matrix(truth, label_map(cams, ids, threshold), 4)
    return mean_iou(total)


def test_scores_equal_an_evaluation_of_label_maps():
    samples = make_samples()
    scores = evaluate(samples)
    labels = np.stack([sample['image_labels'] for sample in samples])
    class_scores = np.stack([sample['class_scores'] for sample in samples])
    expected = 100 * mean_average_precision(class_scores, labels)
    assert scores['cam/image_map'] == pytest.approx(expected)
    assert scores['cam/threshold'] == 0.437
    for name, key in (('fused', 'cams'), ('coarse', 'coarse_cams')):
        assert scores[f'cam/{name}_miou'] == pytest.approx(naive_miou(samples, key, 0.437))
        sweep = [naive_miou(samples, key, step / 100) for step in range(100)]
        oracle = max(*sweep, scores[f'cam/{name}_miou'])
        assert scores[f'cam/{name}_miou_oracle'] == pytest.approx(oracle)
        best = scores[f'cam/{name}_threshold_oracle']
        assert naive_miou(samples, key, best) == pytest.approx(oracle)


def test_without_masks_no_miou_is_given():
    assert set(evaluate(make_samples(truth=False))) == {'cam/image_map', 'cam/threshold'}


def test_without_coarse_maps_or_labels():
    samples = make_samples(coarse=False)
    for sample in samples:
        del sample['image_labels']
    names = {'threshold', 'fused_miou', 'fused_miou_oracle', 'fused_threshold_oracle'}
    assert set(evaluate(samples)) == {f'cam/{name}' for name in names}


def test_otsu_sees_the_scores_of_all_maps_and_no_mask():
    samples = make_samples()
    values = np.concatenate([sample['cams'].flatten() for sample in samples])
    expected = otsu_threshold(np.histogram(values, 100, (0, 1))[0])
    scores = evaluate(samples, 'otsu')
    assert scores['cam/threshold'] == pytest.approx(expected, abs=0.0051)
    expected = naive_miou(samples, 'cams', scores['cam/threshold'])
    assert scores['cam/fused_miou'] == pytest.approx(expected)
    unscored = evaluate(make_samples(truth=False), 'otsu')
    assert unscored['cam/threshold'] == scores['cam/threshold']


def test_otsu_of_maps_that_are_all_alike():
    samples = make_samples(coarse=False)
    for sample in samples:
        sample['cams'][:] = 0.5
    scores = evaluate(samples, 'otsu')
    assert not {'cam/threshold', 'cam/fused_miou'} & set(scores)
    assert scores['cam/fused_miou_oracle'] > 0


@pytest.mark.parametrize('size', [COUNT - 1, COUNT + 1])
def test_wrong_number_of_images_raises(size):
    with pytest.raises(RuntimeError, match=f'expected {size} images, the processes saw {COUNT}'):
        evaluate(make_samples(), size=size)


def test_a_second_evaluation_starts_anew():
    metric, results = build('otsu'), []
    for _ in range(2):
        metric.process({}, make_samples())
        results.append(metric.evaluate(COUNT))
    assert results[0] == results[1]


@pytest.mark.parametrize('threshold', ['best', -0.1, 1.5, None])
def test_refuses_threshold(threshold):
    with pytest.raises(ValueError, match=r'threshold: expected a number in \[0, 1\] or one of'):
        WeakTrCAMMetric(threshold)


def run_rank(rank, port, folder):
    """One of two processes; the second one alone sees images with masks and coarse maps."""
    address = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**address, 'RANK': str(rank), 'WORLD_SIZE': '2'}.items():
            patch.setenv(name, value)
        patch.setattr(torch.cuda, 'is_available', lambda: False)
        init_cpu_process_group('pytorch')
    assert get_rank() == rank
    scores = evaluate(samples_of_ranks()[rank], 'otsu', size=COUNT)
    np.savez(f'{folder}/{rank}.npz', **scores)
    torch.distributed.destroy_process_group()


def samples_of_ranks():
    return make_samples(truth=False, coarse=False)[::2], make_samples()[1::2]


def test_two_processes_give_the_scores_of_one(tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]

    torch.multiprocessing.spawn(run_rank, (port, str(tmp_path)), nprocs=2)

    expected = evaluate([sample for samples in samples_of_ranks() for sample in samples], 'otsu')
    assert 'cam/coarse_miou' in expected
    for rank in range(2):
        with np.load(tmp_path / f'{rank}.npz') as scores:
            assert {name: float(scores[name]) for name in scores} == pytest.approx(expected)
