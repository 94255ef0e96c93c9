from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image
from torch import nn

from weaktr_mmseg.crf.dense_crf import DenseCRF
from weaktr_mmseg.models.segmentors.crf_tta import WeakTrCRFTTAModel


class Segmentor(nn.Module):
    """Stands for the module: its scores are its inputs, weighted."""

    def __init__(self) -> None:
        super().__init__()
        self.test_cfg = ConfigDict(mode='whole')

    def test_step(self, data):
        raise NotImplementedError

    def data_preprocessor(self, data, training):
        assert not training
        return data

    def predict_scores(self, inputs, data_samples):
        return [sum(self.test_cfg.readout_weights) * image for image in inputs]


@pytest.fixture
def image(tmp_path) -> tuple[str, np.ndarray]:
    """Two flat halves, 20 x 24 pixels, and their path."""
    rgb = np.zeros((20, 24, 3), np.uint8)
    rgb[:, 12:] = (200, 80, 20)
    path = tmp_path / 'image.png'
    Image.fromarray(rgb).save(path)
    return str(path), rgb


@pytest.fixture
def scores() -> torch.Tensor:
    """Scores of four classes, the last of which never wins, in two views of one image."""
    logits = torch.randn(2, 4, 20, 24, generator=torch.Generator().manual_seed(0))
    logits[:, 1, :, 12:] += 1.5
    logits[:, 3] = -4
    return logits.softmax(dim=1)


def batch_of(scores: torch.Tensor, path: str) -> dict:
    """A batch of one image in several views."""
    truth = PixelData(data=torch.zeros(1, 20, 24, dtype=torch.long))
    samples = [
        [SegDataSample(metainfo=dict(img_path=path), gt_sem_seg=truth.clone())] for _ in scores
    ]
    return dict(inputs=[[view.clone()] for view in scores], data_samples=samples)


def test_refines_the_winning_classes_of_weighted_scores(image, scores):
    path, rgb = image
    refine = dict(type='DenseCRF', preset='voc_seg')
    model = WeakTrCRFTTAModel(readout_weights=(0.8, 1.0), refine=refine, module=Segmentor())

    (sample,) = model.test_step(batch_of(scores, path))

    combined = 1.8 * scores.mean(dim=0).numpy()
    assert set(np.unique(combined.argmax(axis=0))) == {0, 1, 2}
    unary = -np.log(np.clip(combined[:3], 1e-5, 1))
    refined = DenseCRF.from_preset('voc_seg')(rgb, unary).argmax(axis=0)
    np.testing.assert_array_equal(sample.pred_sem_seg.data[0].numpy(), refined)
    assert (refined != combined.argmax(axis=0)).any()
    assert sample.gt_sem_seg.shape == (20, 24)


def test_the_refinement_sees_rgb(image, scores):
    refine = dict(type='DenseCRF', preset='voc_seg')
    model = WeakTrCRFTTAModel(refine=refine, module=Segmentor())
    seen = []
    model.refiner.refine = lambda pixels, given: seen.append(pixels) or given
    model.test_step(batch_of(scores, image[0]))
    np.testing.assert_array_equal(seen[0].numpy(), image[1])


def test_without_refinement_the_mean_decides(image, scores):
    model = WeakTrCRFTTAModel(module=Segmentor())
    assert model.module.test_cfg == dict(mode='whole', readout_weights=(1.0,))
    (sample,) = model.test_step(batch_of(scores, image[0]))
    assert torch.equal(sample.pred_sem_seg.data[0], scores.mean(dim=0).argmax(dim=0))


def test_unknown_preset():
    with pytest.raises(ValueError, match="got 'city'"):
        WeakTrCRFTTAModel(refine=dict(type='DenseCRF', preset='city'), module=Segmentor())


def test_the_key_of_former_versions_is_refused():
    with pytest.raises(ValueError, match=r"tta_model\.crf: .* preset='voc_seg'"):
        WeakTrCRFTTAModel(crf='voc_seg', module=Segmentor())
