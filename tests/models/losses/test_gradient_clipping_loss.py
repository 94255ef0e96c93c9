from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from weaktr_mmseg.models.losses.gradient_clipping_loss import (
    WeakTrGradientClippingLoss,
    gradient_clipping_loss,
)


def clip_by_loops(values: np.ndarray, patch_size: int, start: float) -> np.ndarray:
    """The definition, square by square."""
    mean = values.mean()
    if mean > start:
        return values
    clipped = values.copy()
    for top in range(0, values.shape[1], patch_size):
        for left in range(0, values.shape[2], patch_size):
            square = np.s_[:, top : top + patch_size, left : left + patch_size]
            clipped[square] = np.minimum(values[square], max(values[square].mean(), mean))
    return clipped


@pytest.mark.parametrize('size', [(12, 8), (10, 7), (3, 5), (13, 4)])
def test_equals_definition_also_for_partial_squares(size):
    values = torch.rand(3, *size, dtype=torch.float64, generator=torch.manual_seed(0))

    result = gradient_clipping_loss(values, patch_size=4, start=0.9)

    expected = clip_by_loops(values.numpy(), 4, 0.9)
    np.testing.assert_allclose(result.pixel_loss.numpy(), expected, atol=1e-12)
    assert result.loss.item() == pytest.approx(expected.mean())
    assert result.clipped_share.item() == pytest.approx((expected < values.numpy()).mean())


def test_clipped_pixels_give_no_gradient():
    values = torch.rand(2, 8, 8, generator=torch.manual_seed(1)).requires_grad_()

    result = gradient_clipping_loss(values, patch_size=4, start=0.9)
    result.loss.backward()

    clipped = result.pixel_loss < values
    assert 0 < clipped.sum() < clipped.numel()
    torch.testing.assert_close(values.grad, torch.where(clipped, 0.0, 1 / values.numel()))


def test_nothing_is_clipped_above_start():
    values = torch.rand(1, 8, 8, generator=torch.manual_seed(2)) + 1

    result = gradient_clipping_loss(values, patch_size=4, start=1.0)

    assert torch.equal(result.pixel_loss, values)
    assert result.clipped_share == 0


def test_pixel_at_its_threshold_keeps_its_whole_gradient():
    values = torch.ones(1, 4, 4, requires_grad=True)
    gradient_clipping_loss(values, patch_size=4, start=1.2).loss.backward()
    torch.testing.assert_close(values.grad, torch.full((1, 4, 4), 1 / 16))


@pytest.mark.parametrize(
    ('shape', 'patch_size', 'message'),
    [
        ((2, 3, 4, 4), 4, r'must be \(B, H, W\), but got shape \(2, 3, 4, 4\)'),
        ((2, 4, 4), 0, 'patch_size must be at least 1 pixel, but got 0'),
    ],
)
def test_refuses_bad_input(shape, patch_size, message):
    with pytest.raises(ValueError, match=message):
        gradient_clipping_loss(torch.zeros(shape), patch_size)


def test_ignored_pixels_count_in_the_mean_but_not_in_the_gradient():
    logits = torch.randn(1, 3, 4, 4, generator=torch.manual_seed(3)).requires_grad_()
    label = torch.zeros(1, 4, 4, dtype=torch.long)
    label[:, :2] = 255
    criterion = WeakTrGradientClippingLoss(start=0.0, loss_weight=2.0)

    loss = criterion(logits, label, ignore_index=255)
    loss.backward()

    expected = F.cross_entropy(logits[:, :, 2:], label[:, 2:]) / 2  # half of the pixels are 0
    assert loss.item() == pytest.approx(2 * expected.item())
    assert not logits.grad[:, :, :2].any()
    assert logits.grad[:, :, 2:].any()


def test_all_pixels_ignored():
    loss = WeakTrGradientClippingLoss()(
        torch.randn(1, 3, 4, 4), torch.full((1, 4, 4), 255), ignore_index=255
    )
    assert loss == 0


def test_refuses_pixel_weights():
    criterion = WeakTrGradientClippingLoss()
    with pytest.raises(ValueError, match='remove `sampler` from the decode head'):
        criterion(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2).long(), weight=torch.ones(1, 2, 2))


def test_a_divided_batch_has_the_thresholds_of_the_whole():
    """Two processes with half of the batch each, averaged as all_reduce does."""
    losses = torch.rand(4, 12, 12, generator=torch.manual_seed(0)) * torch.tensor(
        [0.2, 0.4, 1.0, 1.5]
    ).view(4, 1, 1)
    whole = gradient_clipping_loss(losses, patch_size=6)
    sent = []
    for half in losses.chunk(2):
        gradient_clipping_loss(half, 6, average=lambda values: sent.append(values) or values)
    mean = torch.stack(sent).mean(dim=0)
    parts = [gradient_clipping_loss(half, 6, average=lambda _: mean) for half in losses.chunk(2)]
    torch.testing.assert_close(torch.cat([part.pixel_loss for part in parts]), whole.pixel_loss)
    torch.testing.assert_close((parts[0].loss + parts[1].loss) / 2, whole.loss)
    assert 0 < whole.clipped_share < 1


@pytest.mark.parametrize('group', [1, 3])
def test_groups_have_thresholds_of_their_own(group):
    losses = torch.rand(5, 12, 12, generator=torch.manual_seed(0), dtype=torch.float64)
    losses *= torch.tensor([0.2, 0.4, 1.0, 1.5, 2.8]).view(5, 1, 1)

    result = gradient_clipping_loss(losses, patch_size=6, images_per_group=group)

    parts = [clip_by_loops(part.numpy(), 6, 1.2) for part in losses.split(group)]
    expected = np.concatenate(parts)
    np.testing.assert_allclose(result.pixel_loss.numpy(), expected, atol=1e-12)
    assert result.loss.item() == pytest.approx(expected.mean())
    assert result.clipped_share.item() == pytest.approx((expected < losses.numpy()).mean())
    assert (expected != clip_by_loops(losses.numpy(), 6, 1.2)).any()


def test_refuses_empty_groups():
    with pytest.raises(ValueError, match='images_per_group: expected at least 1, got 0'):
        WeakTrGradientClippingLoss(images_per_group=0)


def _loss_on_a_share(rank, processes, store, group, results):
    """One of several processes: loss and gradient of its images, averaged as DDP does."""
    torch.set_num_threads(1)  # a forked process has none of its parent's OpenMP threads
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{store}', rank=rank, world_size=processes
    )
    logits, labels = _batch()
    share = slice(rank, None, processes)  # as DefaultSampler deals images
    logits = logits[share].requires_grad_()
    loss = WeakTrGradientClippingLoss(6, images_per_group=group)(logits, labels[share])
    loss.backward()
    results.put((rank, loss.item(), (logits.grad / processes).numpy()))
    torch.distributed.barrier()


def _batch():
    generator = torch.manual_seed(0)
    logits = torch.randn(4, 3, 12, 12, generator=generator, dtype=torch.float64)
    logits *= torch.tensor([0.3, 0.6, 1.0, 4.0]).view(4, 1, 1, 1)
    return logits, torch.randint(0, 3, (4, 12, 12), generator=generator)


@pytest.mark.parametrize('group', [1, None])
def test_equal_on_one_two_and_four_processes(group, tmp_path):
    logits, labels = _batch()
    logits.requires_grad_()
    loss = WeakTrGradientClippingLoss(6, images_per_group=group)(logits, labels)
    loss.backward()
    context = multiprocessing.get_context('fork')
    for processes in (2, 4):
        results = context.Queue()
        jobs = [
            context.Process(
                target=_loss_on_a_share,
                args=(rank, processes, tmp_path / f'{group}_{processes}', group, results),
            )
            for rank in range(processes)
        ]
        for job in jobs:
            job.start()
        parts = sorted(results.get(timeout=60) for _ in jobs)
        for job in jobs:
            job.join()
        assert sum(value for _, value, _ in parts) / processes == pytest.approx(loss.item())
        for rank, _, gradient in parts:
            np.testing.assert_allclose(gradient, logits.grad[rank::processes].numpy(), atol=1e-12)


def test_clipping_sets_in_at_start_itself():
    values = torch.tensor([[[0.0, 2.0, 1.0, 1.0]]])  # its mean is 1

    result = gradient_clipping_loss(values, patch_size=4, start=1.0)

    assert result.pixel_loss.tolist() == [[[0.0, 1.0, 1.0, 1.0]]]
