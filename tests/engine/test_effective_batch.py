from __future__ import annotations

import pytest

from weaktr_mmseg.engine import effective_batch
from weaktr_mmseg.engine.effective_batch import share_batch


@pytest.mark.parametrize(
    ('total', 'processes', 'share'),
    [(64, 1, 64), (64, 2, 32), (64, 8, 8), (32, 3, 11), (4, 3, 1), (4, 8, 1), (1, 2, 1), (7, 2, 4)],
)
def test_share(monkeypatch, total, processes, share):
    logged = []
    monkeypatch.setattr(effective_batch, 'print_log', lambda text, *_: logged.append(text))
    loader = dict(batch_size=total)
    share_batch(loader, processes)
    assert loader['batch_size'] == share
    assert bool(logged) == (share * processes != total)
    assert all(f'{share * processes} images a step' in text for text in logged)


@pytest.mark.parametrize('size', [0, -4, 2.0, None])
def test_refuses(size):
    with pytest.raises(ValueError, match='batch_size: expected a positive integer, got'):
        share_batch(dict(batch_size=size), 2)
