from __future__ import annotations

import math

import pytest
import torch

from weaktr_mmseg.models import WeakTrFeatures, WeakTrSeedCompletionLoss, WeakTrStaticFusion
from weaktr_mmseg.models.fusions import fuse_attention
from weaktr_mmseg.models.losses.seed_completion_loss import FLOOR, cut_in_halves, largest

CLASSES, GRID = 3, (4, 5)
PATCHES = GRID[0] * GRID[1]


def features_of(queries, keys, weights, mode='materialized', grid=GRID, classes=CLASSES):
    attention = fuse_attention(queries, keys, weights, classes, mode)
    batch = len(weights)
    return WeakTrFeatures(torch.zeros(batch, classes, 4), torch.zeros(batch, 4, *grid), attention)


@pytest.fixture
def case():
    torch.manual_seed(0)
    tokens = CLASSES + PATCHES
    queries, keys = ([torch.randn(2, 2, tokens, 4).double() for _ in range(3)] for _ in range(2))
    weights = torch.rand(2, 2, 3).double().requires_grad_()
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]).double()
    return queries, keys, weights, torch.randn(2, CLASSES, *GRID).double(), targets


def reference(queries, keys, weights, scores, targets, start, goal, loss):
    """The docstring of the loss, patch by patch."""
    fused = (
        sum(
            weights[:, head, layer, None, None]
            * (queries[layer][:, head] @ keys[layer][:, head].transpose(1, 2) / 2).softmax(-1)
            for layer in range(3)
            for head in range(2)
        )
        / 6
    )
    values = []
    for image in range(2):
        labelled = [c for c in range(CLASSES) if targets[image, c]]
        seeds = {c: [p for p in range(PATCHES) if start[image, c, p] + goal[image, c, p]]
                 for c in labelled}  # fmt: skip
        for c in labelled:
            coarse = scores[image, c].relu().flatten()
            source = start[image, c]
            if loss.attended:
                source = source * fused[image, c, CLASSES:] * coarse
            spread = fused[image, CLASSES:, CLASSES:] @ source
            logs = (spread / spread.mean() + FLOOR).log()
            reach = [p for p in range(PATCHES) if goal[image, c, p]]
            others = {p for o in labelled if o != c for p in seeds[o]} - set(seeds[c])
            least = coarse.argsort()[: round(loss.reject_share * PATCHES)].tolist()
            rejected = sorted(others) if others and loss.contrast_classes else least
            difference = logs[rejected].mean() - logs[reach].mean()
            values.append(math.log1p(math.exp(difference)))
    return sum(values) / len(values)


@pytest.mark.parametrize('mode', ['materialized', 'streaming'])
@pytest.mark.parametrize('contrast_classes', [True, False])
@pytest.mark.parametrize('attended', [True, False])
def test_is_what_its_docstring_says(case, mode, contrast_classes, attended):
    queries, keys, weights, scores, targets = case
    loss = WeakTrSeedCompletionLoss(0.3, 0.4, contrast_classes, attended, loss_weight=2.0)
    scores += 3  # so that no two patches share the least score, 0
    torch.manual_seed(1)
    value = loss(features_of(queries, keys, weights, mode), scores, targets)
    torch.manual_seed(1)
    seeds = largest(scores.relu().float().flatten(2), 6) * targets[..., None].float()
    start, goal = cut_in_halves(seeds, GRID)
    assert (start.sum(2) == 3)[targets > 0].all() and (goal.sum(2) == 3)[targets > 0].all()
    expected = reference(
        queries, keys, weights.detach(), scores, targets, start.double(), goal.double(), loss
    )
    assert float(value) == pytest.approx(2 * expected, rel=1e-5)


def test_trains_the_weights_and_nothing_else(case):
    queries, keys, weights, scores, targets = case
    scores.requires_grad_()
    loss = WeakTrSeedCompletionLoss()
    loss(features_of(queries, keys, weights), scores, targets).backward()
    assert weights.grad.abs().min() > 0
    assert scores.grad is None


def test_without_a_positive_score_there_is_nothing_to_learn(case):
    queries, keys, weights, scores, targets = case
    value = WeakTrSeedCompletionLoss()(features_of(queries, keys, weights), -scores.abs(), targets)
    value.backward()
    assert value == 0
    assert not weights.grad.any()


def test_halves_lie_on_two_sides_of_a_line():
    torch.manual_seed(0)
    seeds = torch.zeros(8, 2, 36)
    seeds[..., :21] = 1
    start, goal = cut_in_halves(seeds, (6, 6))
    assert torch.equal(start + goal, seeds)
    assert (start.sum(2) - goal.sum(2) == 1).all()
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing='ij')
    places = torch.stack((rows.flatten(), columns.flatten()))
    angles = torch.linspace(0, 2 * math.pi, 1441)
    across = torch.stack((angles.sin(), angles.cos()), 1) @ places  # (angles, patches)
    for image in range(8):
        for c in range(2):
            first = across[:, start[image, c] > 0].amax(1)
            second = across[:, goal[image, c] > 0].amin(1)
            assert (first - second).min() < 0.02  # some line has the halves on its two sides


def test_the_head_that_leads_to_the_object_wins():
    """Head 0 attends within the object, head 1 to its own place alone, head 2 everywhere."""
    torch.manual_seed(0)
    grid, classes = (6, 6), 1
    inside = torch.zeros(6, 6)
    inside[1:5, 1:4] = 1
    inside = inside.flatten()
    tokens = classes + 36
    belongs = torch.cat((torch.ones(1), inside))
    queries = torch.zeros(1, 3, tokens, tokens)
    keys = torch.eye(tokens).expand(1, 3, -1, -1) * tokens**0.5
    queries[0, 0] = 6 * (belongs[:, None] == belongs[None])
    queries[0, 1] = 12 * torch.eye(tokens)
    queries[0, 1, 0] = 0
    fusion = WeakTrStaticFusion(num_layers=1, num_heads=3, head_dims=tokens)
    loss = WeakTrSeedCompletionLoss(seed_share=0.3)
    scores = (inside - 0.2 + 0.1 * torch.rand(36)).view(1, 1, *grid)
    optimizer = torch.optim.Adam(fusion.parameters(), lr=0.1)
    for _ in range(60):
        weights = fusion([torch.zeros(1, 0)])
        features = features_of([queries], [keys], weights, grid=grid, classes=classes)
        optimizer.zero_grad()
        loss(features, scores, torch.ones(1, 1)).backward()
        optimizer.step()
    first, local, everywhere = fusion([torch.zeros(1, 0)])[0, :, 0].tolist()
    assert first > 0.9
    assert max(local, everywhere) < 0.2


@pytest.mark.parametrize('shares', [(0.0, 0.4), (0.7, 0.4), (0.2, 0.0)])
def test_shares_out_of_range(shares):
    with pytest.raises(ValueError, match='expected shares above 0 that add up to at most 1'):
        WeakTrSeedCompletionLoss(*shares)
