from __future__ import annotations

import pytest

from weaktr_mmseg.engine import effective_batch
from weaktr_mmseg.engine.effective_batch import hold_total_batch, share_batch
from weaktr_mmseg.utils.errors import WeakTrInputError


@pytest.fixture
def logged(monkeypatch):
    messages = []
    monkeypatch.setattr(effective_batch, 'print_log', lambda text, *_: messages.append(text))
    return messages


@pytest.mark.parametrize(
    ('total', 'processes', 'share'),
    [(64, 1, 64), (64, 2, 32), (64, 8, 8), (32, 3, 11), (4, 3, 1), (4, 8, 1), (1, 2, 1), (7, 2, 4)],
)
def test_share(logged, total, processes, share):
    loader = dict(batch_size=total)
    assert share_batch(loader, total, processes) == 1
    assert loader['batch_size'] == share
    assert bool(logged) == (share * processes != total)
    assert all(f'{share * processes} images an update' in text for text in logged)


@pytest.mark.parametrize(
    ('limit', 'processes', 'accumulated', 'size', 'iterations'),
    [(16, 1, 1, 16, 4), (16, 2, 1, 16, 2), (64, 1, 2, 32, 2), (16, 1, 2, 16, 4), (40, 1, 1, 32, 2)],
)
def test_what_a_process_cannot_take_at_once_is_accumulated(
    logged, limit, processes, accumulated, size, iterations
):
    loader = dict(batch_size=limit)
    assert share_batch(loader, 64, processes, accumulated) == iterations
    assert loader['batch_size'] == size
    assert size * processes * iterations == 64 and not logged


def test_a_larger_batch_size_is_named_with_what_to_do(logged):
    loader = dict(batch_size=128)
    share_batch(loader, 64, 1)
    assert loader['batch_size'] == 64
    assert 'total_batch_size=64 decides, not train_dataloader.batch_size=128; set both' in logged[0]


class Runner:
    def __init__(self, wrapper, scaling):
        self.optim_wrapper, self.auto_scale_lr = wrapper, scaling


@pytest.mark.parametrize(('limit', 'base'), [(64, 64), (16, 16), (32, 32)])
def test_learning_rate_is_that_of_all_images_of_an_update(limit, base):
    """mmengine scales by ``batch_size * processes / base_batch_size``."""
    runner = Runner(dict(type='OptimWrapper'), dict(enable=True, base_batch_size=64))
    loader = dict(batch_size=limit)
    hold_total_batch(runner, loader, 64)
    assert loader['batch_size'] / runner.auto_scale_lr['base_batch_size'] == 1
    assert runner.optim_wrapper.get('accumulative_counts', 1) == 64 // limit
    assert runner.auto_scale_lr['base_batch_size'] == base


@pytest.mark.parametrize('size', [0, -4, 2.0, None, True])
def test_refuses(size):
    with pytest.raises(WeakTrInputError, match='train_dataloader.batch_size: expected a positive'):
        share_batch(dict(batch_size=size), 4, 2)
    with pytest.raises(WeakTrInputError, match='train_cfg.total_batch_size: expected a positive'):
        share_batch(dict(batch_size=4), size, 2)
