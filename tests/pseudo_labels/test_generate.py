from __future__ import annotations

import pickle

import numpy as np
import pytest

from weaktr_mmseg.crf.dense_crf import DenseCRF, refine_label_map
from weaktr_mmseg.pseudo_labels.cam_files import CAMFile, read_cams, write_cams
from weaktr_mmseg.pseudo_labels.generate import (
    LabelRule,
    MaskSample,
    confusion_matrix,
    mean_iou,
    write_masks,
)
from weaktr_mmseg.pseudo_labels.labelling import label_map
from weaktr_mmseg.utils.masks import read_mask, write_mask

PALETTE = [(0, 0, 0), (200, 10, 10), (10, 200, 10), (10, 10, 200)]
SIZE = (12, 14)


def draw_cams(seed, classes=2):
    return np.random.default_rng(seed).random((classes, *SIZE)).astype(np.float16)


def draw_image(path):
    """Stands for a decoder: the name of the file is the seed; two flat halves and some noise."""
    rng = np.random.default_rng(int(str(path).split('/')[-1]))
    image = rng.integers(60, 70, (*SIZE, 3), dtype=np.uint8)
    image[:, : SIZE[1] // 2] += 90
    return image


def refuse_to_read(path):
    raise AssertionError('no image is needed without a CRF')


@pytest.fixture
def samples(tmp_path):
    """Four images; all but the last have a truth."""
    truths = np.random.default_rng(9).choice([0, 1, 3, 255], (3, *SIZE)).astype(np.uint8)
    made = []
    for index in range(4):
        cams = tmp_path / 'cams' / f'{index}.npz'
        write_cams(cams, draw_cams(index), [2, 0], ['c', 'a'])
        truth = None
        if index < len(truths):
            truth = str(tmp_path / 'truth' / f'{index}.png')
            write_mask(truth, truths[index], PALETTE)
        made.append(MaskSample(str(tmp_path / str(index)), str(cams), 'unset', truth))
    return made


def into(samples, folder):
    return [sample._replace(mask=str(folder / f'{i}.png')) for i, sample in enumerate(samples)]


@pytest.mark.parametrize(
    'rule',
    [LabelRule(0.4, ignore_band=0.05), LabelRule(0.4, crf='voc_cam', ignore_disagreement=True)],
    ids=['plain', 'crf'],
)
def test_writes_the_masks_of_the_rule_and_scores_them(samples, tmp_path, rule):
    samples = into(samples, tmp_path / 'masks')
    read_image = draw_image if rule.crf else refuse_to_read

    confusion = write_masks(samples, rule, PALETTE, read_image)

    expected = np.zeros((4, 4), np.int64)
    for sample in samples:
        image = draw_image(sample.image)
        labels = rule.apply(read_cams(sample.cams), image)
        np.testing.assert_array_equal(read_mask(sample.mask), labels)
        if sample.truth is not None:
            for true, label in zip(read_mask(sample.truth).ravel(), labels.ravel()):
                if 255 not in (true, label):
                    expected[true, label] += 1
    np.testing.assert_array_equal(confusion, expected)
    assert confusion.any()


def test_workers_write_the_same(samples, tmp_path):
    rule = LabelRule(0.4, crf='voc_cam')
    alone, helped = into(samples, tmp_path / 'alone'), into(samples, tmp_path / 'helped')

    confusions = [
        write_masks(alone, rule, PALETTE, draw_image, workers=0),
        write_masks(helped, rule, PALETTE, draw_image, workers=2),
    ]

    np.testing.assert_array_equal(*confusions)
    for first, second in zip(alone, helped):
        np.testing.assert_array_equal(read_mask(first.mask), read_mask(second.mask))


@pytest.mark.parametrize('ignore_disagreement', [False, True])
@pytest.mark.parametrize('crf', ['voc_cam', 'coco_cam'])
def test_rule_with_crf_preset(crf, ignore_disagreement):
    cams, image = draw_cams(0).astype(np.float32), draw_image('0')
    plain = label_map(cams, [2, 0], 0.4)
    refined = refine_label_map(image, plain, crf=DenseCRF.from_preset(crf))
    assert (refined != plain).any()

    rule = LabelRule(0.4, crf=crf, ignore_disagreement=ignore_disagreement)
    labels = rule.apply(CAMFile(cams, np.array([2, 0]), ('c', 'a'), ''), image)

    expected = np.where(refined == plain, plain, 255) if ignore_disagreement else refined
    np.testing.assert_array_equal(labels, expected)


def test_rules_compare_by_value_and_travel_to_workers():
    rule = LabelRule(0.4, crf='voc_cam', ignore_disagreement=True)
    assert rule == LabelRule(0.4, crf='voc_cam', ignore_disagreement=True)
    assert rule != LabelRule(0.4, crf='voc_cam')
    copy = pickle.loads(pickle.dumps(rule))
    cam_file = CAMFile(draw_cams(1).astype(np.float32), np.array([2, 0]), ('c', 'a'), '')
    image = draw_image('1')
    np.testing.assert_array_equal(copy.apply(cam_file, image), rule.apply(cam_file, image))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(threshold=1.1), r'threshold: expected a number in \[0, 1\], got 1.1'),
        (dict(threshold=0.4, ignore_band=-0.1), r'ignore_band: .* got -0.1'),
        (dict(threshold=0.4, ignore_disagreement=True), 'ignore_disagreement: expected a crf'),
        (dict(threshold=0.4, crf='voc'), "'voc'"),
    ],
)
def test_rule_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        LabelRule(**options)


def test_confusion_matrix_leaves_out_255_on_either_side():
    truth = np.array([[0, 1, 1, 255, 2]], np.uint8)
    labels = np.array([[0, 0, 1, 1, 255]], np.uint8)
    assert confusion_matrix(truth, labels, 3).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ('truth', 'labels', 'message'),
    [
        ([[0, 1]], [[0]], r'truth: expected size \(1, 1\), got \(1, 2\)'),
        ([[2]], [[0]], 'truth: expected labels below 2 or 255, got 2'),
        ([[0]], [[2]], 'labels: expected labels below 2 or 255, got 2'),
    ],
)
def test_confusion_matrix_refuses(truth, labels, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(truth, np.uint8), np.array(labels, np.uint8), 2)


def test_mean_iou_over_the_classes_seen():
    confusion = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    assert mean_iou(confusion) == pytest.approx(100 * (6 / 9 + 3 / 6) / 2)
    assert np.isnan(mean_iou(np.zeros((2, 2), np.int64)))
