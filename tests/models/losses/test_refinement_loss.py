from __future__ import annotations

import numpy as np
import pytest
import torch

from weaktr_mmseg.models import WeakTrFeatures, WeakTrRefinementLoss
from weaktr_mmseg.models.fusions import fuse_attention
from weaktr_mmseg.pseudo_labels.cam_files import CAMFile
from weaktr_mmseg.pseudo_labels.label_rule import LabelRule
from weaktr_mmseg.pseudo_labels.threshold_choice import otsu_threshold, score_histogram

PAMR = dict(type='PAMR', dilations=[1, 2])
GRID, SIDE = 6, 48
TARGETS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


class Case:
    """Two images, bright from the middle on, and two heads: one stops there, one a patch early."""

    def __init__(self):
        generator = torch.manual_seed(0)
        self.images = 20 * torch.rand(2, 3, SIDE, SIDE, generator=generator)
        self.images[..., SIDE // 2 :] += 200
        self.heads = torch.rand(2, 2, 3, GRID, GRID, generator=generator) / 2  # (H, B, C, h, w)
        self.heads[0, ..., 3:] += 1
        self.heads[1, ..., 2:] += 1
        self.weights = torch.ones(2, 2, 1, requires_grad=True)  # (B, H, L)

    def features(self):
        tokens = [torch.zeros(2, 2, 5, 4)]
        attention = fuse_attention(tokens, tokens, self.weights, num_classes=1)
        return WeakTrFeatures(torch.zeros(1), torch.zeros(1), attention)

    def maps(self, features):
        return torch.einsum('bhl,hbcyx->bcyx', features.attention.weights, self.heads)

    def loss(self, loss, targets=TARGETS):
        return loss(self.features(), None, targets, self.maps, self.images)


@pytest.fixture
def case():
    return Case()


def covered(maps, images):
    """Share of each patch that the refined label of a class covers, image by image."""
    enlarged = torch.nn.functional.interpolate(maps, (SIDE, SIDE), mode='bilinear')
    scaled = []
    for image in range(2):
        ids = TARGETS[image].nonzero().flatten().numpy()
        planes = enlarged[image, ids].double()
        low, high = planes.amin((1, 2), True), planes.amax((1, 2), True)
        scaled.append((ids, ((planes - low) / (high - low)).numpy()))
    counts = sum(score_histogram(planes, 100) for _, planes in scaled)
    rule = LabelRule(otsu_threshold(counts), refine=PAMR)
    shares = {}
    for image, (ids, planes) in enumerate(scaled):
        pixels = images[image].permute(1, 2, 0).round().byte().numpy()
        labels = rule.apply(CAMFile(planes, ids, ('a', 'b', 'c'), ''), pixels)
        for label in ids:
            size = SIDE // GRID
            share = (labels == label + 1).reshape(GRID, size, GRID, size).mean((1, 3))
            shares[image, label] = share.flatten()
    return shares


def test_is_what_its_docstring_says(case):
    loss = WeakTrRefinementLoss(PAMR, size=SIDE, images=2, loss_weight=3.0)
    began = case.maps(case.features()).detach()
    assert case.loss(loss).item() > 0
    case.weights = torch.rand(2, 2, 1, requires_grad=True)  # the weights of later iterations
    maps = case.maps(case.features()).detach()
    expected = [
        1 - np.corrcoef(maps[key].flatten(), share)[0, 1]
        for key, share in covered(began, case.images).items()
    ]
    assert len(expected) == 3 and all(value > 0.01 for value in expected)
    assert case.loss(loss).item() == pytest.approx(3 * np.mean(expected), rel=1e-4)


def test_descent_prefers_the_head_that_stops_at_the_edge(case):
    case.loss(WeakTrRefinementLoss(PAMR, size=SIDE, images=2)).backward()
    assert (case.weights.grad[:, 0] < case.weights.grad[:, 1]).all()


def test_takes_so_many_images_of_the_batch(case):
    case.loss(WeakTrRefinementLoss(PAMR, size=24, images=1)).backward()
    assert (case.weights.grad.flatten(1).abs().amax(1) > 0).sum() == 1


def test_what_it_began_with_is_in_the_checkpoint(case):
    loss = WeakTrRefinementLoss(PAMR, images=2)
    assert not loss.state_dict()
    case.loss(loss)
    case.weights = torch.rand(2, 2, 1, requires_grad=True)
    resumed = WeakTrRefinementLoss(PAMR, images=2)
    resumed.load_state_dict(loss.state_dict())
    assert resumed.reference.tolist() == [[1.0], [1.0]]
    assert case.loss(resumed) == case.loss(loss)
    resumed.load_state_dict({})
    assert resumed.reference is None


def test_maps_without_contrast_say_nothing(case):
    case.heads[:] = 0
    loss = case.loss(WeakTrRefinementLoss(PAMR))
    loss.backward()
    assert loss.item() == 0 and not case.weights.grad.any()


@pytest.mark.parametrize(
    'options', [dict(refine=None), dict(refine=PAMR, size=0), dict(refine=PAMR, images=0)]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match='WeakTrRefinementLoss: expected a refinement, and size'):
        WeakTrRefinementLoss(**options)
