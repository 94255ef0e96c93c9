from __future__ import annotations

import pytest
import torch

from weaktr_mmseg.engine.schedulers.ratio_poly_lr import WeakTrPolyLR


def test_groups_keep_their_ratio():
    groups = [dict(params=[torch.zeros(1, requires_grad=True)], lr=lr) for lr in (1.0, 0.1)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    scheduler = WeakTrPolyLR(optimizer, eta_min_ratio=0.2, power=2, end=4)
    values = []
    for _ in range(4):
        values.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    shares = [0.2 + 0.8 * (1 - step / 4) ** 2 for step in range(4)]
    assert values == [pytest.approx([share, 0.1 * share]) for share in shares]


def test_epochs_are_converted_to_iterations():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = WeakTrPolyLR.build_iter_from_epoch(optimizer, end=3, epoch_length=10)
    assert (scheduler.begin, scheduler.end, scheduler.by_epoch) == (0, 30, False)
