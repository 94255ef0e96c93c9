"""The published evaluation agrees with the authors' implementation at every stage.

Tolerances are those of the table that came with the arrays: at least three times the rounding of
the original.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmseg.registry import MODELS
from PIL import Image
from published_segmentor import CONFIGS, build_segmentor, published_config
from torch import Tensor

from weaktr_mmseg.crf import unary_from_probabilities
from weaktr_mmseg.models import WeakTrCRFTTAModel
from weaktr_mmseg.models.segmentors.weaktr_segmentor import enlarge_small, window_starts
from weaktr_mmseg.refinement import build_refiner

from looping import some

GOLDEN_PATTERN = 'test_protocol*.npz'
DATA = ('voc', 'coco')
READOUTS = dict(first=(1.0, 0.0), last=(0.0, 1.0))


@pytest.fixture
def cfg(golden, tmp_path) -> Config:
    """Published config at the sizes of the golden file."""
    return published_config(golden.meta, tmp_path)


@pytest.fixture
def build(golden, cfg):
    """Builds the test-time model of a data set's config, with other weights of the readouts."""

    def build(data: str = 'voc', **options) -> WeakTrCRFTTAModel:
        tta_model = Config.fromfile(CONFIGS / f'weaktr_{data}.py').tta_model
        assert tuple(tta_model.readout_weights) == (golden.meta['weight'], 1.0)
        module = build_segmentor(golden, cfg)
        return MODELS.build({**tta_model, **options, 'module': module})

    return build


@pytest.fixture
def load(golden, cfg, tmp_path):
    """Reads a photograph through the config's test-time pipeline, as a batch of one."""
    pipeline = Compose([dict(step) for step in cfg.tta_pipeline])

    def load(name: str) -> dict:
        path = tmp_path / f'{name}.png'
        Image.fromarray(golden[f'{name}/photo']).save(path)
        return pseudo_collate([pipeline(dict(img_path=str(path), seg_fields=[]))])

    return load


def photos(golden) -> list[tuple[str, int]]:
    """Returns the groups of the photographs, and the step of their reduced arrays."""
    names = golden.groups('img')
    assert len(names) == len(golden.meta['grid']) > 0
    return list(zip(names, golden.meta['grid']))


def views_of(model: WeakTrCRFTTAModel, batch: dict) -> list[tuple[Tensor, list]]:
    """Returns each view as it enters the segmentor, and its samples."""
    batches = (
        model.module.data_preprocessor(dict(inputs=inputs, data_samples=samples), False)
        for inputs, samples in zip(batch['inputs'], batch['data_samples'])
    )
    return [(batch['inputs'], batch['data_samples']) for batch in batches]


def assert_close(actual: Tensor, expected: np.ndarray, atol: float) -> None:
    """Requires equal shapes and a maximal absolute error."""
    expected = torch.from_numpy(expected).double()
    torch.testing.assert_close(actual.double(), expected, rtol=0, atol=atol)


def test_inputs_of_the_views(golden, build, load):
    model = build()
    ratios = len(golden.meta['ratios'])
    for name, _ in some(photos(golden)):
        views = [inputs for inputs, _ in views_of(model, load(name))]
        assert len(views) == 2 * ratios
        for ratio in range(ratios):
            plain, mirrored = views[2 * ratio : 2 * ratio + 2]
            assert_close(plain[0], golden[f'{name}/view{ratio}/input'], atol=1e-6)
            assert torch.equal(mirrored, plain.flip(3))


@torch.no_grad()
@pytest.mark.parametrize('readout', READOUTS)
def test_probabilities_of_every_view_and_their_mean(golden, build, load, readout):
    model = build(readout_weights=READOUTS[readout])
    for name, step in some(photos(golden)):
        batch = load(name)
        views = views_of(model, batch)
        for ratio in range(len(golden.meta['ratios'])):
            pair = views[2 * ratio : 2 * ratio + 2]
            scores = torch.stack([model.module.predict_scores(*view)[0] for view in pair])
            expected = golden[f'{name}/view{ratio}/prob_{readout}']
            assert_close(scores[..., ::step, ::step], expected, atol=5e-5)
        (mean,) = model.scores(batch)
        assert_close(mean[..., ::step, ::step], golden[f'{name}/prob_{readout}'], atol=2e-5)


@torch.no_grad()
def test_combination(golden, build, load):
    model = build(refine=None)
    for name, _ in some(photos(golden)):
        batch = load(name)
        (scores,) = model.scores(batch)
        assert_close(scores, golden[f'{name}/combined'], atol=2e-5)
        winners = scores.argmax(dim=0).unique()
        np.testing.assert_array_equal(winners.numpy(), golden[f'{name}/keys'])
        (sample,) = model.test_step(batch)
        labels = sample.pred_sem_seg.data[0].numpy()
        assert (labels == golden[f'{name}/argmax']).mean() >= 0.999


@torch.no_grad()
@pytest.mark.parametrize('data', DATA)
def test_crf(golden, build, load, data):
    model = build(data)
    crf, seen = model.refiner.crf, []

    def watched(image: Tensor, unary: Tensor) -> Tensor:
        seen.append((unary, crf(image, unary)))
        return seen[-1][1]

    model.refiner.crf = watched
    for name, step in some(photos(golden)):
        seen.clear()
        (sample,) = model.test_step(load(name))
        labels = sample.pred_sem_seg.data[0].numpy()
        assert (labels == golden[f'{name}/crf_{data}']).mean() >= 0.999
        keys = golden[f'{name}/keys']
        assert set(np.unique(labels)) <= set(keys)
        if len(keys) == 1:  # nothing to refine: Q is 1
            assert not seen
            assert (labels == keys[0]).all()
            continue
        ((unary, refined),) = seen
        assert_close(unary[:, ::step, ::step], golden[f'{name}/unary'], atol=1e-4)
        expected = golden[f'{name}/crf_{data}_prob']
        assert_close(refined[:, ::step, ::step], expected, atol=1e-3)


@pytest.mark.parametrize('data', DATA)
def test_crf_on_made_up_values(golden, data):
    refiner = build_refiner(Config.fromfile(CONFIGS / f'weaktr_{data}.py').tta_model.refine)
    values, photo = golden.tensor('crf_only/value'), golden.tensor('crf_only/photo')
    unary = unary_from_probabilities(values)
    assert_close(unary, golden['crf_only/unary'], atol=1e-6)
    refined = refiner.refine(photo, values)
    assert_close(refined, golden[f'crf_only/{data}_prob'], atol=1e-4)
    rows = refined.argmax(dim=0)
    assert (rows.numpy() == golden[f'crf_only/{data}']).mean() >= 0.999
    labels = refiner.refine_winners(photo, values)
    winners = set(values.argmax(dim=0).unique().tolist())
    assert set(labels.unique().tolist()) <= winners
    if winners == set(range(len(values))):
        assert torch.equal(labels, rows)


def test_sizes_at_the_published_setting(golden):
    """Of the views, of what the windows run over, and the number of windows."""
    cfg = Config.fromfile(CONFIGS / 'weaktr_voc.py')
    resizes = [Compose([dict(step)]) for step in cfg.tta_pipeline[1].transforms[0]]
    crop, stride = cfg.model.test_cfg.crop_size, cfg.model.test_cfg.stride
    sizes = zip(*(golden[f'sizes/{name}'] for name in ('photo', 'view', 'network', 'windows')))
    for photo, *expected in some(sizes):
        image = np.zeros((*photo, 3), np.uint8)
        views = [resize(dict(img=image))['img'].shape[:2] for resize in resizes]
        networks = [
            tuple(enlarge_small(torch.empty(1, 1, *view), crop[0]).shape[2:]) for view in views
        ]
        windows = [
            len(window_starts(height, crop[0], stride[0]))
            * len(window_starts(width, crop[1], stride[1]))
            for height, width in networks
        ]
        for actual, array in zip((views, networks, windows), expected):
            np.testing.assert_array_equal(actual, array)
