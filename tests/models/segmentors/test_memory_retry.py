from __future__ import annotations

import pytest
import torch
from mmseg.structures import SegDataSample

from weaktr_mmseg.models.segmentors import memory_retry
from weaktr_mmseg.models.segmentors.memory_retry import is_out_of_memory
from weaktr_mmseg.utils.errors import WeakTrInputError

OUT_OF_MEMORY = torch.cuda.OutOfMemoryError('CUDA out of memory')


class SmallDevice:
    """Stands for a backbone on a device that holds a few pixels; notes what it was given."""

    def __init__(self, backbone, pixels, error=OUT_OF_MEMORY):
        self.backbone, self.pixels, self.error = backbone, pixels, error
        self.batches = []

    def __call__(self, images):
        self.batches.append(tuple(images.shape))
        if images[:, 0].numel() > self.pixels:
            raise self.error
        return self.backbone(images)


def predict(segmentor, pixels, count=3, **device):
    """Predicts maps of images of 16 x 16 pixels with memory for ``pixels`` pixels."""
    generator = torch.manual_seed(0)
    inputs = [[torch.randn(1, 3, 16, 16, generator=generator)] for _ in range(count)]
    samples = []
    for index in range(count):
        sample = SegDataSample(metainfo=dict(ori_shape=(16, 16), img_path=f'images/{index}.jpg'))
        sample.set_field(torch.tensor([1.0, 0.0, 1.0]), 'image_labels')
        samples.append(sample)
    small = SmallDevice(segmentor.backbone, pixels, **device)
    segmentor.extract_feat = small
    with torch.no_grad():
        segmentor.predict(inputs, samples)
    return samples, small.batches


@pytest.mark.parametrize(
    ('pixels', 'batches'),
    [
        (6 * 256, [6]),  # three images with their mirror images
        (4 * 256, [6, 2, 4]),
        (2 * 256, [6, 2, 4, 2, 2]),
        (1 * 256, [6, 2, 1, 1, 4, 2, 1, 1, 2, 1, 1]),
    ],
)
@pytest.mark.parametrize(
    'error',
    [
        OUT_OF_MEMORY,
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_smaller_batches_give_the_same_maps(build_segmentor, pixels, batches, error):
    expected, _ = predict(build_segmentor(), 10**6)
    samples, seen = predict(build_segmentor(), pixels, error=error)
    assert [shape[0] for shape in seen] == batches
    for sample, reference in zip(samples, expected):
        torch.testing.assert_close(sample.cams, reference.cams, rtol=0, atol=1e-5)
        torch.testing.assert_close(sample.class_scores, reference.class_scores)


def test_smaller_scales_only_if_allowed(build_segmentor):
    with pytest.raises(WeakTrInputError, match=r'images/0\.jpg: out of memory .* 32 x 32; allow'):
        predict_one(build_segmentor(), ())
    sample, sizes = predict_one(build_segmentor(), (0.75, 0.5))
    assert sizes == [(2, 32), (1, 32), (1, 24), (1, 16), (1, 16)]
    assert sample.cams.shape == (1, 32, 32)
    with pytest.raises(WeakTrInputError, match=r'out of memory .* even shrunk by 0\.75'):
        predict_one(build_segmentor(), (0.75,))


def predict_one(segmentor, scales):
    segmentor.memory_scales = scales
    segmentor.extract_feat = SmallDevice(segmentor.backbone, 16 * 16)
    sample = SegDataSample(metainfo=dict(ori_shape=(32, 32), img_path='images/0.jpg'))
    sample.set_field(torch.tensor([0.0, 1.0, 0.0]), 'image_labels')
    with torch.no_grad():
        segmentor.predict([[torch.randn(1, 3, 32, 32)]], [sample])
    return sample, [(shape[0], shape[2]) for shape in segmentor.extract_feat.batches]


def test_each_attempt_is_announced(build_segmentor, monkeypatch):
    lines = []
    monkeypatch.setattr(memory_retry, 'print_log', lambda text, *_: lines.append(text))
    predict_one(build_segmentor(), (0.75, 0.5))
    predict(build_segmentor(), 4 * 256)
    assert lines == [
        'Out of memory: images/0.jpg and its mirror image run one after the other',
        'Out of memory: images/0.jpg is shrunk by 0.75',
        'Out of memory: images/0.jpg is shrunk by 0.5',
        'Out of memory: the batch of 3 images is halved',
    ]


def test_other_errors_are_not_hidden(build_segmentor):
    with pytest.raises(RuntimeError, match='shapes do not match'):
        predict(build_segmentor(), 0, error=RuntimeError('shapes do not match'))
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def test_shrinking_averages_what_is_finer_than_a_pixel(build_segmentor):
    """Stripes of two pixels become gray at a quarter: nothing is made of some pixels alone."""
    segmentor, seen = build_segmentor(), []
    segmentor.memory_scales = (0.25,)
    small = SmallDevice(segmentor.backbone, 16 * 16)

    def extract(images):
        seen.append(images)
        return small(images)

    segmentor.extract_feat = extract
    sample = SegDataSample(metainfo=dict(ori_shape=(64, 64), img_path='images/0.jpg'))
    sample.set_field(torch.tensor([0.0, 1.0, 0.0]), 'image_labels')
    stripes = (torch.arange(1, 65) // 2).remainder(2).float().expand(1, 3, 64, 64)
    with torch.no_grad():
        segmentor.predict([[stripes]], [sample])
    inner = seen[-1][..., 2:-2, 2:-2]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.5), rtol=0, atol=0.05)
