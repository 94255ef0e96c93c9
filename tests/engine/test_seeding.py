from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from weaktr_mmseg.engine.seeding import seed_all, seed_workers


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


def draw_at(*place):
    seed_all(*place)
    return draw()


def test_a_place_gives_the_same_numbers_always():
    first = draw_at(3, 0, 1, 2)
    draw()
    assert draw_at(3, 0, 1, 2) == first


def test_places_and_generators_are_independent():
    places = [(s, r, e, i) for s in (0, 1) for r in (0, 1) for e in (0, 1) for i in (0, 1)]
    drawn = np.array([draw_at(*place) for place in places]).ravel()
    assert len(np.unique(drawn)) == 3 * len(places)


class Draws(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return draw()


def started(worker):
    random.random()


def load(loader, *place):
    seed_workers(loader, *place)
    return [[float(v) for v in item] for item in loader]


@pytest.mark.parametrize('workers', [1, 2])
def test_workers_depend_on_the_place_alone(workers):
    loader = DataLoader(Draws(), batch_size=None, num_workers=workers)
    first, second = load(loader, 5, 0, 0), load(loader, 5, 0, 1)
    again = load(DataLoader(Draws(), batch_size=None, num_workers=workers), 5, 0, 1)
    assert first != second
    assert second == again
    assert len({tuple(item) for item in first + second}) == 16


def test_own_initialisation_of_workers_is_kept_once():
    loader = DataLoader(Draws(), num_workers=1, worker_init_fn=started)
    for epoch in range(3):
        seed_workers(loader, epoch)
    assert loader.worker_init_fn.keywords == dict(first=started, place=(2,))
