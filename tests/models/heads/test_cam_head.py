from __future__ import annotations

import pytest
import torch
from mmengine.logging import MessageHub

from weaktr_mmseg.models import WeakTrCAMHead

from looping import some

CLASSES, PATCHES = 3, 16
TARGETS = torch.tensor([[1.0, 0, 1], [0, 1, 0]])


@pytest.fixture
def segmentor(build_segmentor):
    return build_segmentor()


@pytest.fixture
def features(segmentor):
    return segmentor.backbone(torch.randn(2, 3, 16, 16, generator=torch.manual_seed(1)))


def maps_by_loops(head, features):
    """The formulas of the paper, one class at a time, on the whole attention matrix."""
    identity = torch.eye(PATCHES).expand(2, -1, -1)
    patch_rows = features.attention.propagate(identity).mT  # F[p, q]
    class_rows = features.attention.class_to_patch()
    scores = head.classifier(features.patch_map)
    coarse, attended, fine = (torch.zeros(2, CLASSES, PATCHES) for _ in range(3))
    for image in range(2):
        for index in range(CLASSES):
            coarse[image, index] = scores[image, index].flatten().clamp(min=0)
            attended[image, index] = class_rows[image, index] * coarse[image, index]
            fine[image, index] = patch_rows[image] @ attended[image, index]
    return coarse, attended, fine


@torch.no_grad()
def test_activation_maps_follow_the_formulas(segmentor, features):
    maps = segmentor.cam_head.activation_maps(features)
    for name, expected in zip(maps._fields, maps_by_loops(segmentor.cam_head, features)):
        torch.testing.assert_close(getattr(maps, name), expected.unflatten(2, (4, 4)))
    assert maps.coarse.max() > 0


@torch.no_grad()
@pytest.mark.parametrize('classes', [[2], [2, 0], []])
def test_wanted_classes_only(segmentor, features, classes):
    head = segmentor.cam_head
    maps = head.activation_maps(features, torch.tensor(classes, dtype=torch.long))
    for mine, whole in some(zip(maps, head.activation_maps(features), strict=True)):
        torch.testing.assert_close(mine, whole[:, classes])


@torch.no_grad()
def test_logits_are_means(segmentor, features):
    head = segmentor.cam_head
    logits = head(features)
    assert logits.cls[1, 2].item() == pytest.approx(features.class_tokens[1, 2].mean().item(), 1e-4)
    scores = head.classifier(features.patch_map)
    torch.testing.assert_close(logits.coarse, scores.flatten(2).mean(2))
    torch.testing.assert_close(logits.fine, maps_by_loops(head, features)[2].mean(2))


@torch.no_grad()
def test_losses_are_soft_margin_losses(segmentor, features):
    losses = segmentor.cam_head.loss(features, TARGETS)
    logits = segmentor.cam_head(features)
    assert list(losses) == ['loss_cls', 'loss_coarse', 'loss_fine']
    for value, logit in zip(losses.values(), logits):
        probability = 1 / (1 + torch.exp(-logit.double()))
        likelihood = torch.where(TARGETS > 0, probability, 1 - probability)
        assert value.item() == pytest.approx(-likelihood.log().mean().item(), rel=1e-4)


def trained_by(segmentor, loss):
    """Names of the parameters that a loss has a gradient for."""
    segmentor.zero_grad()
    loss.backward()
    return {
        name
        for name, parameter in segmentor.named_parameters()
        if parameter.grad is not None and parameter.grad.any()
    }


def test_the_fine_term_trains_the_fusion_weights_alone(segmentor, features):
    trained = trained_by(segmentor, segmentor.cam_head.loss(features, TARGETS)['loss_fine'])
    fusion = {name for name, _ in segmentor.named_parameters() if '.attention_fusion.' in name}
    assert trained
    assert trained <= fusion
    assert any('feature_ffn' in name for name in trained)


@pytest.mark.parametrize('branch', ['cls', 'coarse'])
def test_the_other_terms_train_the_blocks(segmentor, features, branch):
    trained = trained_by(segmentor, segmentor.cam_head.loss(features, TARGETS)[f'loss_{branch}'])
    assert not any('.attention_fusion.' in name for name in trained)
    assert 'backbone.layers.0.attn.qkv.weight' in trained
    assert ('cam_head.classifier.weight' in trained) == (branch == 'coarse')


def test_losses_have_configs_weights_and_may_be_left_out(build_segmentor, features):
    """mmpretrain's losses for several labels fit as they are."""
    head = dict(
        loss_cls=dict(type='WeakTrMultiLabelSoftMarginLoss', loss_weight=3.0),
        loss_coarse=dict(type='mmpretrain.CrossEntropyLoss', use_sigmoid=True, loss_weight=0.5),
        loss_fine=None,
    )
    plain = build_segmentor().cam_head.loss(features, TARGETS)

    losses = build_segmentor(head=head).cam_head.loss(features, TARGETS)

    assert losses.keys() == {'loss_cls', 'loss_coarse'}
    torch.testing.assert_close(losses['loss_cls'], 3 * plain['loss_cls'])
    torch.testing.assert_close(losses['loss_coarse'], 0.5 * plain['loss_coarse'])


@pytest.mark.parametrize('name', [None, 'toy', 'loss_fine', 'loss_twice'])
def test_further_losses_need_a_name_of_their_own(build_segmentor, name):
    loss = torch.nn.Identity
    if name is not None:
        loss = type('Named', (torch.nn.Identity,), dict(loss_name=name))
    twice = [dict(type=loss)] * (2 if name == 'loss_twice' else 1)
    with pytest.raises(ValueError, match='aux_losses: expected .* to have a loss_name'):
        build_segmentor(head=dict(aux_losses=twice))


class Looking(torch.nn.Module):
    """A further loss that looks at maps and images, in the second half of the training."""

    loss_name, needs_maps, begin = 'loss_looking', True, 0.5

    def forward(self, features, scores, targets, maps, images):
        self.seen = maps(features), images
        return self.seen[0].sum()


def test_further_losses_may_look_at_maps_and_images(build_segmentor, segmentor, features, tmp_path):
    head = build_segmentor(head=dict(aux_losses=[dict(type=Looking)])).cam_head
    (loss,) = head.aux_losses
    images = torch.rand(2, 3, 64, 64)

    losses = head.loss(features, TARGETS, images)

    maps, seen = loss.seen
    assert seen is images and head.needs_images
    torch.testing.assert_close(maps, head.activation_maps(features).fine)
    trained = trained_by(segmentor, losses['loss_looking'])
    assert trained and all('.attention_fusion.' in name for name in trained)

    hub = MessageHub.get_instance(str(tmp_path))
    hub.update_info_dict(dict(iter=1, max_iters=4))
    del loss.seen
    early = head.loss(features, TARGETS, images)['loss_looking']
    assert early == 0 and early.requires_grad and not hasattr(loss, 'seen')


def test_softmax_pooling_is_the_mean_weighted_by_the_softmax():
    head = WeakTrCAMHead(4, 2, pooling='softmax')
    scores = torch.tensor([[[[1.0, 2.0], [0.0, -1.0]], [[3.0, 3.0], [3.0, 3.0]]]])
    weights = torch.tensor([1.0, 2.0, 0.0, -1.0]).exp()
    first = (weights * torch.tensor([1.0, 2.0, 0.0, -1.0])).sum() / weights.sum()
    torch.testing.assert_close(head.pool(scores), torch.stack((first, torch.tensor(3.0)))[None])


def test_tokens_are_standardised_over_the_training_set():
    head = WeakTrCAMHead(4, 2, kernel_size=1, standardise=True)
    tokens = torch.randn(64, 4, 3, 3) * torch.tensor([0.1, 1, 10, 100])[:, None, None] + 5
    for _ in range(200):
        head.train().scores(tokens)
    head.eval()
    normalised = (tokens - tokens.mean((0, 2, 3), keepdim=True)) / tokens.std(
        (0, 2, 3), keepdim=True
    )
    torch.testing.assert_close(
        head.scores(tokens), head.classifier(normalised), rtol=1e-3, atol=1e-3
    )


def test_without_a_loss_of_class_tokens_the_scores_say_what_an_image_has(features):
    head = WeakTrCAMHead(features.patch_map.size(1), 3, loss_cls=None)
    assert torch.equal(head.image_logits(features), head(features).coarse)
    head = WeakTrCAMHead(features.patch_map.size(1), 3)
    assert torch.equal(head.image_logits(features), head(features).cls)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(pooling='max'), "pooling: expected one of 'mean', 'softmax', got 'max'"),
        (dict(activation='exp'), "activation: expected one of 'relu', 'sigmoid', got 'exp'"),
        (dict(kernel_size=2), 'kernel_size: expected an odd number, got 2'),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        WeakTrCAMHead(4, 2, **options)


@torch.no_grad()
def test_two_steps_are_a_random_walk(segmentor, features):
    head = segmentor.cam_head
    head.propagation_steps = 2
    identity = torch.eye(PATCHES).expand(2, -1, -1)
    walk = features.attention.propagate(identity).mT
    walk = walk / walk.sum(2, keepdim=True)
    maps = head.activation_maps(features)
    expected = torch.einsum('bpq,bqr,bkr->bkp', walk, walk, maps.attended.flatten(2))
    torch.testing.assert_close(maps.fine.flatten(2), expected)


@torch.no_grad()
def test_present_classes_compete_for_each_patch(segmentor, features):
    head = segmentor.cam_head
    plain = head.activation_maps(features).coarse
    head.competing = True
    present = torch.tensor([[True, True, False], [False, False, True]])
    maps = head.activation_maps(features, present=present)
    scores = head.scores(features.patch_map).exp()
    for image in range(2):
        total = sum(scores[image, index] for index in range(CLASSES) if present[image, index])
        for index in range(CLASSES):
            share = scores[image, index] / total if present[image, index] else 0
            torch.testing.assert_close(
                maps.coarse[image, index], plain[image, index] * share, check_device=False
            )
    assert torch.equal(maps.coarse[1, 2], plain[1, 2])  # alone: as it is
