from __future__ import annotations

import pickle
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from weaktr_mmseg.pseudo_labels.cam_files import CAMFile, read_cams, write_cams
from weaktr_mmseg.pseudo_labels.generate import MaskSample, write_masks
from weaktr_mmseg.pseudo_labels.label_rule import LabelRule, rule_options
from weaktr_mmseg.pseudo_labels.labelling import label_map
from weaktr_mmseg.refinement import build_refiner
from weaktr_mmseg.utils.confusion import confusion_matrix
from weaktr_mmseg.utils.masks import read_mask, write_mask

PALETTE = [(0, 0, 0), (200, 10, 10), (10, 200, 10), (10, 10, 200)]
SIZE = (12, 14)
VOC = dict(type='DenseCRF', preset='voc_cam')


def draw_cams(seed, classes=2):
    return np.random.default_rng(seed).random((classes, *SIZE)).astype(np.float16)


def draw_image(path):
    """Stands for a decoder: the name of the file is the seed; two flat halves and some noise."""
    rng = np.random.default_rng(int(str(path).split('/')[-1]))
    image = rng.integers(60, 70, (*SIZE, 3), dtype=np.uint8)
    image[:, : SIZE[1] // 2] += 90
    return image


def refuse_to_read(path):
    raise AssertionError('no image is needed without a refinement')


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
    [LabelRule(0.4, ignore_band=0.05), LabelRule(0.4, refine=VOC, ignore_disagreement=True)],
    ids=['plain', 'refined'],
)
def test_writes_the_masks_of_the_rule_and_scores_them(samples, tmp_path, rule):
    samples = into(samples, tmp_path / 'masks')
    read_image = draw_image if rule.refine else refuse_to_read

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
    rule = LabelRule(0.4, refine=VOC)
    alone, helped = into(samples, tmp_path / 'alone'), into(samples, tmp_path / 'helped')

    confusions = [
        write_masks(alone, rule, PALETTE, draw_image, workers=0),
        write_masks(helped, rule, PALETTE, draw_image, workers=2),
    ]

    np.testing.assert_array_equal(*confusions)
    for first, second in zip(alone, helped):
        np.testing.assert_array_equal(read_mask(first.mask), read_mask(second.mask))


@pytest.mark.parametrize('ignore_disagreement', [False, True])
@pytest.mark.parametrize('refine', [dict(VOC), dict(VOC, preset='coco_cam'), dict(type='PAMR')])
def test_rule_with_refinement(refine, ignore_disagreement):
    cams, image = draw_cams(0).astype(np.float32), draw_image('0')
    plain = label_map(cams, [2, 0], 0.4)
    refined = build_refiner(refine).refine_labels(image, plain)
    assert (refined != plain).any()

    rule = LabelRule(0.4, refine=refine, ignore_disagreement=ignore_disagreement)
    labels = rule.apply(CAMFile(cams, np.array([2, 0]), ('c', 'a'), ''), image)

    expected = np.where(refined == plain, plain, 255) if ignore_disagreement else refined
    np.testing.assert_array_equal(labels, expected)


def test_rules_compare_by_value_and_travel_to_workers():
    rule = LabelRule(0.4, refine=VOC, ignore_disagreement=True)
    assert rule == LabelRule(0.4, refine=VOC, ignore_disagreement=True)
    assert rule != LabelRule(0.4, refine=VOC)
    copy = pickle.loads(pickle.dumps(rule))
    cam_file = CAMFile(draw_cams(1).astype(np.float32), np.array([2, 0]), ('c', 'a'), '')
    image = draw_image('1')
    np.testing.assert_array_equal(copy.apply(cam_file, image), rule.apply(cam_file, image))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(threshold=1.1), r'threshold: expected a number in \[0, 1\], got 1.1'),
        (dict(threshold=0.4, ignore_band=-0.1), r'ignore_band: .* got -0.1'),
        (
            dict(threshold=0.4, ignore_disagreement=True),
            'ignore_disagreement: expected a refine',
        ),
        (dict(threshold=0.4, refine=dict(VOC, preset='voc')), "'voc'"),
    ],
)
def test_rule_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        LabelRule(**options)


FIELDS = dict(
    threshold=0.5,
    refine=dict(VOC, confidence=0.8),
    ignore_band=0.05,
    ignore_disagreement=True,
)


def test_the_stamp_knows_every_field_of_the_rule_and_the_maps(samples):
    given = dict(threshold=0.4, refine=VOC, ignore_band=0.0, ignore_disagreement=False)
    assert set(FIELDS) == {field.name for field in fields(LabelRule) if field.init}
    rules = [LabelRule(**{**given, name: value}) for name, value in FIELDS.items()]
    stamps = [rule.stamp(samples[0].cams) for rule in (LabelRule(**given), *rules)]
    stamps.append(LabelRule(**given).stamp(samples[1].cams))
    assert len(set(stamps)) == len(FIELDS) + 2
    given['refine'] = dict(reversed(FIELDS['refine'].items()))  # as another config may write it
    refined = LabelRule(**{**given, 'refine': FIELDS['refine']})
    assert LabelRule(**given).stamp(samples[0].cams) == refined.stamp(samples[0].cams)


def test_options_of_a_config_are_those_of_the_rule_but_the_threshold():
    options = dict(FIELDS, workers=2, score_split=None)
    assert LabelRule(0.5, **rule_options(options)) == LabelRule(**FIELDS)
    with pytest.raises(ValueError, match=r'pseudo_labels\.crf: .* write refine=None'):
        rule_options(dict(crf=None))


def test_trusted_masks_replace_what_the_rule_makes(samples, tmp_path):
    trusted = np.random.default_rng(5).choice([0, 1, 3, 255], SIZE).astype(np.uint8)
    path = tmp_path / 'trusted.png'
    write_mask(path, trusted, PALETTE)
    samples = into(samples, tmp_path / 'masks')
    samples[1] = samples[1]._replace(trusted=str(path))
    rule = LabelRule(0.4)

    confusion = write_masks(samples, rule, PALETTE, refuse_to_read)

    expected = [rule.apply(read_cams(sample.cams)) for sample in samples]
    expected[1] = trusted
    for sample, labels in zip(samples, expected):
        assert np.array_equal(read_mask(sample.mask), labels)
    truths = [read_mask(sample.truth) for sample in samples if sample.truth]
    total = sum(confusion_matrix(t, labels, 4) for t, labels in zip(truths, expected))
    assert np.array_equal(confusion, total)


def test_a_trusted_mask_is_taken_when_it_comes_changes_and_goes(samples, tmp_path):
    (sample,) = into(samples[:1], tmp_path / 'masks')
    trusted = tmp_path / 'trusted.png'
    trusting = sample._replace(trusted=str(trusted))

    def label(sample):
        write_masks([sample], LabelRule(0.4), PALETTE, refuse_to_read)
        return read_mask(sample.mask)

    made = label(sample)
    for value in (1, 2):
        write_mask(trusted, np.full(SIZE, value, np.uint8), PALETTE)
        assert (label(trusting) == value).all()
        moment = Path(sample.mask).stat().st_mtime_ns
        label(trusting)
        assert Path(sample.mask).stat().st_mtime_ns == moment  # kept
    assert np.array_equal(label(sample), made)


@pytest.mark.parametrize(
    ('mask', 'message'),
    [
        (
            np.zeros((5, 6), np.uint8),
            r'trusted\.png: expected .* \(12, 14\) of .*got \(5, 6\)',
        ),
        (np.full(SIZE, 4, np.uint8), r'trusted\.png: expected labels 0\.\.3 or 255, got 4'),
    ],
)
def test_trusted_masks_that_do_not_fit(samples, tmp_path, mask, message):
    write_mask(tmp_path / 'trusted.png', mask, PALETTE)
    sample = into(samples[:1], tmp_path)[0]._replace(trusted=str(tmp_path / 'trusted.png'))
    with pytest.raises(ValueError, match=message):
        write_masks([sample], LabelRule(0.4), PALETTE, refuse_to_read)
