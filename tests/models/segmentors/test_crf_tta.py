from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.structures import SegDataSample
from PIL import Image
from torch import nn

from weaktr_mmseg.crf.dense_crf import DenseCRF
from weaktr_mmseg.models.segmentors.crf_tta import WeakTrCRFTTAModel


class Segmentor(nn.Module):
    """Stands for the module; of what it has, only the number of output channels is used."""

    out_channels = 3

    def test_step(self, data):
        raise NotImplementedError


@pytest.fixture
def image(tmp_path) -> tuple[str, np.ndarray]:
    """Two flat halves, 20 x 24 pixels, and their path."""
    rgb = np.zeros((20, 24, 3), np.uint8)
    rgb[:, 12:] = (200, 80, 20)
    path = tmp_path / 'image.png'
    Image.fromarray(rgb).save(path)
    return str(path), rgb


def variants(path: str) -> list[list[SegDataSample]]:
    """Two noisy predictions of the same image."""
    logits = torch.randn(2, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    logits[:, 1, :, 12:] += 1.5
    return [
        [
            SegDataSample(metainfo=dict(img_path=path), seg_logits=PixelData(data=variant))
            for variant in logits
        ]
    ]


def test_refines_averaged_probabilities(image):
    path, rgb = image
    (sample,) = WeakTrCRFTTAModel(crf='voc_seg', module=Segmentor()).merge_preds(variants(path))

    probabilities = torch.stack([v.seg_logits.data.softmax(0) for v in variants(path)[0]]).mean(0)
    refined = DenseCRF.from_preset('voc_seg')(rgb, -probabilities.log().numpy())
    np.testing.assert_array_equal(sample.pred_sem_seg.data[0].numpy(), refined.argmax(axis=0))
    assert (refined.argmax(axis=0) != probabilities.argmax(dim=0).numpy()).any()


def test_without_crf_as_mmseg(image):
    path, _ = image
    (ours,) = WeakTrCRFTTAModel(module=Segmentor()).merge_preds(variants(path))
    (stock,) = SegTTAModel(module=Segmentor()).merge_preds(variants(path))
    assert torch.equal(ours.pred_sem_seg.data, stock.pred_sem_seg.data)


def test_unknown_preset():
    with pytest.raises(ValueError, match="got 'city'"):
        WeakTrCRFTTAModel(crf='city', module=Segmentor())
