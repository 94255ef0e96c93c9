from __future__ import annotations

import math

import pytest
import torch

from weaktr_mmseg.engine.schedulers.warmup_cosine_lr import WeakTrWarmupCosineLR
from weaktr_mmseg.utils.errors import WeakTrInputError


def rates(steps: int, **kwargs) -> list[float]:
    """Return the learning rate of each step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = WeakTrWarmupCosineLR(optimizer, **kwargs)
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return values


def test_values():
    values = rates(5, total_steps=8, warmup_steps=2, warmup_lr=0.2, eta_min=0.1)
    cosine = [0.1 + 0.9 * (1 + math.cos(math.pi * step / 8)) / 2 for step in (2, 3)]
    assert values == pytest.approx([0.2, 0.2, 0.6, *cosine])


def test_stays_at_the_minimum_after_the_last_step():
    values = rates(12, total_steps=4, warmup_steps=0, eta_min=0.1)
    assert values[5:] == pytest.approx([0.1] * 7)


def test_resumes_from_its_state():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    first = WeakTrWarmupCosineLR(optimizer, total_steps=8)
    optimizer.step()
    first.step()
    second = WeakTrWarmupCosineLR(optimizer, total_steps=8)
    second.load_state_dict(first.state_dict())
    assert second.last_step == first.last_step
    assert second._get_value() == first._get_value()


def test_refuses_a_warm_up_without_cosine():
    with pytest.raises(WeakTrInputError, match='warmup_steps below total_steps = 5, got 5'):
        rates(1, total_steps=5, warmup_steps=5)
