"""Faulty samples: separated from good ones, so that a run may do without them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import Any

import cv2

from ..utils.errors import WeakTrInputError, input_errors

STOP, SKIP = 'stop', 'skip'
POLICIES = (STOP, SKIP)
#: What frameworks raise for a file that they cannot use, besides ``OSError`` and ``ValueError``.
FRAMEWORK_FAULTS = (AssertionError, ZeroDivisionError, cv2.error)
_THREADS = 8


def run_pipeline(transforms: Any, info: dict) -> Any:
    """Runs transforms on one sample.

    Args:
        transforms: A pipeline, called with the sample.
        info: Data info with ``img_path``.

    Raises:
        WeakTrInputError: If the sample cannot be read or processed; names its file.
    """
    path = info['img_path']
    with input_errors(path):
        try:
            return transforms(info)
        except FRAMEWORK_FAULTS as error:
            raise WeakTrInputError(f'{path}: cannot be used: {error}') from error


def unreadable(infos: Sequence[dict], transforms: Sequence[Any]) -> dict[str, str]:
    """Reads all files of a data set once, in threads.

    Args:
        infos: Data infos with ``sample_id`` and ``img_path``.
        transforms: Those of the pipeline; the first ones, whose names contain ``Load``, are run.

    Returns:
        Sample id -> what is wrong, for the samples that cannot be read.
    """
    loaders = list(takewhile(lambda step: 'Load' in type(step).__name__, transforms))

    def probe(info: dict) -> str | None:
        results = copy.deepcopy(info)
        try:
            for load in loaders:
                results = run_pipeline(load, results)
        except WeakTrInputError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(_THREADS) as pool:
        reasons = list(pool.map(probe, infos))
    return {info['sample_id']: why for info, why in zip(infos, reasons) if why is not None}
