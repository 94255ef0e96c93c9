"""Random numbers as a function of the place in training, so that nothing of them must be saved."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..utils.workers import outlive_first_sigterm


def seed_all(*place: int) -> None:
    """Seeds Python, NumPy and PyTorch (all devices) with independent streams for every place.

    Args:
        place: Non-negative integers, such as seed, rank, epoch and iteration.
    """
    words = np.random.SeedSequence(place).generate_state(3, np.uint64)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]) & 0xFFFFFFFF)
    torch.manual_seed(int(words[2]) >> 1)


def seed_workers(loader: DataLoader, *place: int) -> None:
    """Makes the workers that ``loader`` starts next draw from streams of this place.

    mmengine gives them the same seeds in every epoch, which repeats the same random augmentations.
    They outlive the first SIGTERM as well.

    Args:
        loader: Its ``worker_init_fn``, if any, is called before the seeding.
        place: As in :func:`seed_all`; the worker's number is added.
    """
    own = loader.worker_init_fn
    if isinstance(own, partial) and own.func is _init_worker:
        own = own.keywords['first']
    loader.worker_init_fn = partial(_init_worker, first=own, place=place)


def _init_worker(worker: int, first: Callable[[int], None] | None, place: tuple[int, ...]) -> None:
    outlive_first_sigterm()
    if first is not None:
        first(worker)
    seed_all(*place, worker)
