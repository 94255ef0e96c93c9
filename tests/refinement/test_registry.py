"""Configs of refiners; and a refiner from outside of the package, which labels images."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from weaktr_mmseg.crf.dense_crf import PRESETS, BilateralTerm
from weaktr_mmseg.pipeline.pseudo_label_stage import generate_pseudo_labels
from weaktr_mmseg.pipeline.standalone_labels import standalone_config
from weaktr_mmseg.pseudo_labels.cam_files import read_cams
from weaktr_mmseg.pseudo_labels.label_rule import LabelRule
from weaktr_mmseg.refinement import build_refiner, parse_refine, refuse_crf_key
from weaktr_mmseg.utils.configs import read_config
from weaktr_mmseg.utils.masks import read_mask

TOY = '''
from weaktr_mmseg.refinement import REFINERS, Refiner


@REFINERS.register_module()
class ToyLeftHalf(Refiner):
    """The left part of an image is background."""

    def __init__(self, share=0.5):
        super().__init__()
        self.share = share

    def refine(self, image, probabilities):
        refined = probabilities.clone()
        columns = int(self.share * image.shape[1])
        refined[0, :, :columns] = 1
        refined[1:, :, :columns] = 0
        return refined
'''
CONFIG = """
_base_ = '{base}'
custom_imports = dict(imports=['toy_refiner'], allow_failed_imports=False)
pseudo_labels = dict(
    threshold=0.2, refine=dict(type='ToyLeftHalf', share=0.25), ignore_disagreement={strict})
test_dataloader = dict(dataset=dict(
    data_root='{root}', size=dict(train=3, val=1, side=32)), batch_size=2)
"""


@pytest.mark.parametrize('strict', [False, True])
def test_a_refiner_from_outside_labels_images(tiny_cam, tmp_path, monkeypatch, strict):
    (tmp_path / 'toy_refiner.py').write_text(TOY, encoding='utf-8')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, 'toy_refiner', raising=False)
    config = CONFIG.format(base=tiny_cam.config, root=tmp_path / 'demo', strict=strict)
    if 'ToyLeftHalf' in build_refiner.__globals__['REFINERS'].module_dict:
        config = config.replace("['toy_refiner']", '[]')  # a name is registered once a process
    (tmp_path / 'toy.py').write_text(config, encoding='utf-8')

    cfg = standalone_config(read_config(tmp_path / 'toy.py'), tmp_path / 'out')
    generate_pseudo_labels(cfg, str(tiny_cam.checkpoint), tmp_path / 'out')

    masks = sorted(Path(tmp_path / 'out/masks').glob('*.png'))
    assert len(masks) == 3
    for path in masks:
        maps = read_cams(tmp_path / f'out/cams/{path.stem}.npz')
        expected = LabelRule(0.2).apply(maps)
        assert expected[:, :8].any()
        expected[:, :8] = np.where(expected[:, :8] > 0, 255, 0) if strict else 0
        assert np.array_equal(read_mask(path), expected)


def test_arguments_reach_the_refiner():
    terms = dict(gaussian=dict(sxy=2, compat=3), bilateral=dict(sxy=20, srgb=5, compat=4))
    refiner = build_refiner(dict(type='DenseCRF', **terms, iterations=4, confidence=0.9))
    assert [vars(term) for term in refiner.crf.terms] == list(terms.values())
    assert (refiner.crf.iterations, refiner.confidence) == (4, 0.9)
    only = build_refiner(dict(type='DenseCRF', bilateral=terms['bilateral']))
    assert only.crf.terms == (BilateralTerm(20, 5, 4),)
    preset = build_refiner(dict(type='DenseCRF', preset='coco_seg', iterations=3))
    assert (preset.crf.terms, preset.crf.iterations) == (PRESETS['coco_seg'], 3)
    assert build_refiner(dict(type='PAMR', dilations=[1, 3])).dilations == (1, 3)
    assert build_refiner(None) is None


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('voc_cam', r"refine: expected dict\(type=\.\.\.\) such as .* got 'voc_cam'"),
        (dict(preset='voc_cam'), r'refine: expected dict\(type'),
        (dict(type='DenseCFR'), "refine: expected a type of DenseCRF, PAMR.*, got 'DenseCFR'"),
        (dict(type='DenseCRF'), r'either a preset \(coco_cam, .*\) or the terms'),
        (dict(type='DenseCRF', preset='voc_cam', gaussian=dict(sxy=3, compat=3)), '_delete_=True'),
        (dict(type='DenseCRF', preset='voc'), "refine: DenseCRF: .*got 'voc'"),
        (dict(type='DenseCRF', preset='voc_cam', iteration=3), "argument 'iteration'"),
        (dict(type='DenseCRF', gaussian=dict(sxy=3)), "argument: 'compat'"),
        (dict(type='DenseCRF', gaussian=dict(sxy=0, compat=3)), 'sxy: expected a number > 0'),
        (dict(type='PAMR', iterations=-1), 'refine: PAMR: iterations: expected at least 0'),
    ],
)
def test_wrong_configs(config, message):
    with pytest.raises(ValueError, match=message):
        build_refiner(config)


@pytest.mark.parametrize(
    ('crf', 'expected'),
    [
        ('voc_cam', "refine=dict(type='DenseCRF', preset='voc_cam')"),
        (dict(iterations=3), "refine=dict(type='DenseCRF', iterations=3)"),
        (None, 'refine=None'),
    ],
)
def test_the_key_of_former_versions_is_refused_with_what_to_write(crf, expected):
    with pytest.raises(ValueError) as error:
        refuse_crf_key(dict(threshold=0.4, crf=crf), 'pseudo_labels')
    assert str(error.value) == f'pseudo_labels.crf: this key became `refine`; write {expected}'
    refuse_crf_key(dict(threshold=0.4), 'pseudo_labels')


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (None, 'config'),
        ([], 'default'),
        (['none'], None),
        (['PAMR'], dict(type='PAMR')),
        (['PAMR', 'dilations=1,2', 'scale=0.2'], dict(type='PAMR', dilations=[1, 2], scale=0.2)),
    ],
)
def test_option_of_the_tools(words, expected):
    assert parse_refine(words, 'default') == expected


@pytest.mark.parametrize('words', [['DenseCRF', 'a.jpg'], ['preset=voc_seg']])
def test_wrong_option_of_the_tools(words):
    with pytest.raises(ValueError, match='--refine: expected TYPE KEY=VALUE'):
        parse_refine(words, {})


def test_refined_on_a_gpu_if_the_probabilities_are_there():
    if not torch.cuda.is_available():
        pytest.skip('needs a GPU')
    image = torch.randint(0, 256, (9, 11, 3), dtype=torch.uint8)
    given = torch.rand(2, 9, 11).softmax(0)
    for config in (dict(type='DenseCRF', preset='voc_seg'), dict(type='PAMR')):
        refiner = build_refiner(config)
        result = refiner.refine(image.cuda(), given.cuda()).cpu()
        torch.testing.assert_close(result, refiner.refine(image, given), atol=1e-3, rtol=0)
