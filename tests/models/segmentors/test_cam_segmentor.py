from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample

from weaktr_mmseg.models.segmentors.cam_segmentor import min_max_normalize
from weaktr_mmseg.utils.errors import WeakTrInputError

from looping import some

SCALES = ((16, 16), (19, 21), (12, 24))


def make_sample(labels=None, ori_shape=None):
    sample = SegDataSample(metainfo={} if ori_shape is None else dict(ori_shape=ori_shape))
    if labels is not None:
        sample.set_field(torch.tensor(labels, dtype=torch.float32), 'image_labels')
    return sample


def make_scales(seed, sizes=SCALES):
    generator = torch.manual_seed(seed)
    return [torch.randn(1, 3, *size, generator=generator) for size in sizes]


def naive_cams(segmentor, scales, classes, size, kind='fine'):
    """One class, scale and direction at a time, normalised in the end."""
    cams = torch.zeros(len(classes), *size)
    for row, class_id in enumerate(classes):
        for image in scales:
            for mirrored in (False, True):
                seen = image.flip(-1) if mirrored else image
                maps = segmentor.cam_head.activation_maps(segmentor.backbone(seen))
                chosen = getattr(maps, kind)[:, [class_id]]
                resized = F.interpolate(chosen, size, mode='bilinear', align_corners=False)[0, 0]
                cams[row] += resized.flip(-1) if mirrored else resized
        low, high = cams[row].min(), cams[row].max()
        cams[row] = (cams[row] - low) / (high - low + 1e-8)
    return cams


@torch.no_grad()
def test_predict_equals_loops_over_images_scales_and_mirroring(build_segmentor):
    segmentor = build_segmentor(dict(coarse=True))
    inputs = [make_scales(0), make_scales(1), make_scales(2)]
    labels = [[1, 0, 1], [0, 1, 0], [1, 1, 1]]
    samples = segmentor.predict(inputs, [make_sample(label, (17, 18)) for label in labels])

    for scales, label, sample in some(zip(inputs, labels, samples, strict=True)):
        classes = [index for index, present in enumerate(label) if present]
        assert sample.cam_classes.tolist() == classes
        for field, kind in (('cams', 'fine'), ('coarse_cams', 'coarse')):
            expected = naive_cams(segmentor, scales, classes, (17, 18), kind)
            torch.testing.assert_close(sample.get(field), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_class_scores_are_means_over_scales_and_mirroring(build_segmentor):
    segmentor, scales = build_segmentor(), make_scales(0)
    (sample,) = segmentor.predict([scales], [make_sample([1, 0, 0])])
    seen = [view for image in scales for view in (image, image.flip(-1))]
    logits = [segmentor.backbone(view).class_tokens.mean(2)[0] for view in seen]
    torch.testing.assert_close(sample.class_scores, torch.stack(logits).mean(0).sigmoid())
    assert 'coarse_cams' not in sample


@torch.no_grad()
def test_a_batch_may_mix_sizes_and_labelled_with_unlabelled_images(build_segmentor):
    segmentor = build_segmentor(dict(score_threshold=0.4))
    small = ((12, 12), (16, 16))
    large = ((16, 20), (20, 24))
    inputs = [make_scales(index, sizes) for index, sizes in enumerate((small, large, small, small))]

    def make_samples():
        return [
            make_sample([1, 0, 0], (12, 12)),
            make_sample([0, 1, 1], (16, 20)),
            make_sample([0, 0, 1], (9, 9)),
            make_sample(None, (12, 12)),
        ]

    together = segmentor.predict(inputs, make_samples())

    assert [tuple(sample.cams.shape[1:]) for sample in together] == [
        (12, 12), (16, 20), (9, 9), (12, 12)
    ]  # fmt: skip
    for scales, sample, mine in zip(inputs, make_samples(), together):
        (alone,) = segmentor.predict([scales], [sample])
        assert torch.equal(mine.cam_classes, alone.cam_classes)
        torch.testing.assert_close(mine.cams, alone.cams, rtol=0, atol=1e-5)
    assert together[0].cam_classes.tolist() == [0]


@torch.no_grad()
def test_image_without_labels_gets_the_classes_it_scores(build_segmentor):
    scores = build_segmentor().predict([make_scales(0)], [make_sample()])[0].class_scores
    threshold = scores.sort().values[:2].mean().item()  # one class below, two above
    segmentor = build_segmentor(dict(score_threshold=threshold))

    (sample,) = segmentor.predict([make_scales(0)], [make_sample()])

    classes = [index for index in range(3) if scores[index] > threshold]
    assert len(classes) == 2
    assert sample.cam_classes.tolist() == classes
    expected = naive_cams(segmentor, make_scales(0), classes, (16, 16))
    torch.testing.assert_close(sample.cams, expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize('labels', [[[0, 0, 0]], [[0, 0, 0], [0, 1, 0]]])
def test_image_whose_label_is_empty_gets_no_map(build_segmentor, labels):
    segmentor = build_segmentor(dict(coarse=True))
    inputs = [make_scales(index) for index in range(len(labels))]
    samples = segmentor.predict(inputs, [make_sample(label, (8, 9)) for label in labels])
    assert samples[0].cams.shape == samples[0].coarse_cams.shape == (0, 8, 9)
    assert samples[0].cam_classes.tolist() == []
    assert samples[0].class_scores.shape == (3,)
    assert [len(sample.cams) for sample in samples[1:]] == [1] * (len(labels) - 1)


@torch.no_grad()
def test_a_plain_batch_is_one_scale_at_input_size(build_segmentor):
    segmentor = build_segmentor(dict(score_threshold=0.0))
    images = torch.cat([make_scales(index, [(16, 24)])[0] for index in range(2)])
    samples = segmentor.predict(images)
    expected = naive_cams(segmentor, [images[1:]], range(3), (16, 24))
    torch.testing.assert_close(samples[1].cams, expected, rtol=0, atol=1e-5)


def test_the_modes_of_forward(build_segmentor):
    segmentor = build_segmentor()
    images = torch.cat([make_scales(index, [(16, 16)])[0] for index in range(2)])
    samples = [make_sample([1, 0, 0]), make_sample([0, 1, 1])]
    losses = segmentor(images, samples, mode='loss')
    logits = segmentor(images, samples, mode='tensor')
    targets = torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    for value, logit in zip(losses.values(), logits):
        torch.testing.assert_close(value, F.multilabel_soft_margin_loss(logit, targets))
    assert segmentor.encode_decode(images, samples).shape == (2, 3, 4, 4)


def test_min_max_normalize():
    maps = torch.tensor([[[1.0, 3.0], [2.0, 1.0]], [[-4.0, -4.0], [-4.0, -4.0]]])
    normalised = min_max_normalize(maps)
    torch.testing.assert_close(normalised[0], torch.tensor([[0, 1], [0.5, 0]]))
    assert not normalised[1].any()
    assert min_max_normalize(torch.zeros(0, 2, 2)).shape == (0, 2, 2)


@pytest.mark.parametrize('mode', ['streaming', 'materialized'])
@pytest.mark.parametrize('inside', ['all', 'backbone'])
def test_bfloat16_trains_and_predicts_close_to_float32(build_segmentor, mode, inside):
    """Under autocast, or with the backbone alone under it, as a frozen encoder may run."""
    segmentor = build_segmentor(attention_mode=mode, final_norm=True)
    images = torch.cat([make_scales(index, [(16, 20)])[0] for index in range(2)])
    targets = torch.tensor([[1.0, 0, 0], [0, 1, 1]])

    def run(autocast):
        segmentor.zero_grad()
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            features = segmentor.extract_feat(images)
        if autocast and inside == 'backbone':
            features = features._replace(
                class_tokens=features.class_tokens.float(), patch_map=features.patch_map.float()
            )
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast and inside == 'all'):
            losses = segmentor.cam_head.loss(features, targets)
            maps = segmentor.cam_head.activation_maps(features)
        sum(losses.values()).backward()
        return [*losses.values(), *maps]

    for wide, narrow in zip(run(autocast=False), run(autocast=True)):
        torch.testing.assert_close(
            narrow.float(), wide, rtol=0, atol=0.05 * wide.abs().max().item()
        )
    assert all(parameter.grad is not None for parameter in segmentor.parameters())


@torch.no_grad()
def test_maps_in_bfloat16_are_nearly_those_in_float32(build_segmentor):
    exact = build_segmentor(dict(coarse=True))
    reduced = build_segmentor(dict(coarse=True, precision='bfloat16'))
    reduced.load_state_dict(exact.state_dict())
    expected, found = (
        network.predict([make_scales(0)], [make_sample([1, 0, 1], (17, 18))])[0]
        for network in (exact, reduced)
    )
    for key in ('cams', 'coarse_cams', 'class_scores'):
        assert found.get(key).dtype == torch.float32
        assert not torch.equal(found.get(key), expected.get(key))
        torch.testing.assert_close(found.get(key), expected.get(key), atol=0.1, rtol=0)


def test_unknown_precision_is_refused(build_segmentor):
    with pytest.raises(WeakTrInputError, match=r"^model\.test_cfg\.precision: .*got 'half'$"):
        build_segmentor(dict(precision='half'))


@torch.no_grad()
@pytest.mark.parametrize('apart', [False, True])
def test_classes_compete_with_those_of_their_own_image(build_segmentor, monkeypatch, apart):
    segmentor = build_segmentor()
    segmentor.cam_head.competing = True
    if apart:
        whole = segmentor._predict_group
        monkeypatch.setattr(segmentor, '_predict_group', lambda s, d, *_: whole(s, d, True))
    inputs = [make_scales(0), make_scales(1), make_scales(2)]
    labels = [[1, 0, 1], [0, 1, 0], [1, 1, 1]]
    together = segmentor.predict(inputs, [make_sample(label, (17, 18)) for label in labels])
    for scales, label, sample in zip(inputs, labels, together):
        (alone,) = segmentor.predict([scales], [make_sample(label, (17, 18))])
        torch.testing.assert_close(sample.cams, alone.cams, rtol=0, atol=1e-5)
    segmentor.cam_head.competing = False
    (other,) = segmentor.predict(inputs[2:], [make_sample(labels[2], (17, 18))])
    assert not torch.allclose(other.cams, together[2].cams, atol=1e-3)
