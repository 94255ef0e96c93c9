from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub

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

    def loss(self, loss):
        return loss(self.features(), None, TARGETS, self.maps, self.images)

    def part(self, images, loss):
        """The loss of a process that has some of the images."""
        features = self.features()
        weights = features.attention.weights[images]
        features = features._replace(attention=features.attention.reweighted(weights))

        def maps(features):
            heads = self.heads[:, images]
            return torch.einsum('bhl,hbcyx->bcyx', features.attention.weights, heads)

        return loss(features, None, TARGETS[images], maps, self.images[images])


@pytest.fixture
def case():
    return Case()


def expected_loss(maps, began, image, pixels):
    """The definition for an image, with the pieces that make pseudo labels."""
    enlarged = torch.nn.functional.interpolate(began[None], (SIDE, SIDE), mode='bilinear')[0]
    ids = TARGETS[image].nonzero().flatten().numpy()
    planes = enlarged[ids].double()
    low, high = planes.amin((1, 2), True), planes.amax((1, 2), True)
    planes = ((planes - low) / (high - low)).numpy()
    rule = LabelRule(otsu_threshold(score_histogram(planes, 100)), refine=PAMR)
    image = pixels.permute(1, 2, 0).round().byte().numpy()
    labels = rule.apply(CAMFile(planes, ids, ('a', 'b', 'c'), ''), image)
    size = SIDE // GRID
    values = []
    for label in ids:
        share = (labels == label + 1).reshape(GRID, size, GRID, size).mean((1, 3)).flatten()
        values.append(1 - np.corrcoef(maps[label].flatten(), share)[0, 1])
    return np.mean(values)


def test_is_what_its_docstring_says(case):
    loss = WeakTrRefinementLoss(PAMR, size=SIDE, every=1, loss_weight=3.0)
    began = case.maps(case.features()).detach()
    assert case.loss(loss).item() > 0
    case.weights = torch.rand(2, 2, 1, requires_grad=True)  # the weights of later iterations
    maps = case.maps(case.features()).detach()
    expected = [
        expected_loss(maps[image], began[image], image, case.images[image]) for image in range(2)
    ]
    assert all(value > 0.01 for value in expected)
    assert case.loss(loss).item() == pytest.approx(3 * np.mean(expected), rel=1e-4)


def test_one_image_of_several_is_looked_at_whoever_else_is_in_the_batch(case, tmp_path):
    """The mean over two processes with an image each is the loss of one with both."""
    hub = MessageHub.get_instance(str(tmp_path))
    loss = WeakTrRefinementLoss(PAMR, size=24, every=2)
    looked_at = 0
    for iteration in range(4):
        hub.update_info('iter', iteration)
        whole = case.loss(loss)
        parts = [case.part(slice(image, image + 1), loss) for image in range(2)]
        torch.testing.assert_close(whole, sum(parts) / 2)
        looked_at += sum(bool(part > 0) for part in parts)
    assert looked_at == 4  # of 8


def test_descent_prefers_the_head_that_stops_at_the_edge(case):
    case.loss(WeakTrRefinementLoss(PAMR, size=SIDE, every=1)).backward()
    assert (case.weights.grad[:, 0] < case.weights.grad[:, 1]).all()


def test_what_it_began_with_is_in_the_checkpoint(case):
    loss = WeakTrRefinementLoss(PAMR, every=1)
    assert not loss.state_dict()
    case.loss(loss)
    case.weights = torch.rand(2, 2, 1, requires_grad=True)
    resumed = WeakTrRefinementLoss(PAMR, every=1)
    resumed.load_state_dict(loss.state_dict())
    assert resumed.reference.tolist() == [[1.0], [1.0]]
    assert case.loss(resumed) == case.loss(loss)
    resumed.load_state_dict({})
    assert resumed.reference is None


def test_maps_without_contrast_say_nothing(case):
    case.heads[:] = 0
    loss = case.loss(WeakTrRefinementLoss(PAMR, every=1))
    loss.backward()
    assert loss.item() == 0 and not case.weights.grad.any()


@pytest.mark.parametrize(
    'options', [dict(refine=None), dict(refine=PAMR, size=0), dict(refine=PAMR, every=0)]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match='WeakTrRefinementLoss: expected a refinement, and size'):
        WeakTrRefinementLoss(**options)
