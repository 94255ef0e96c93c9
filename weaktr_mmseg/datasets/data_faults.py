"""Faulty samples: told apart from good ones, so that a run may go on without them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import Any

import cv2

from ..utils.errors import WeakTrInputError, input_errors
from .label_sources.manifest_labels import read_manifest
from .label_sources.sources import ForegroundClasses, read_image_labels, resolve_source

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


def tolerant_labels(
    source: Mapping,
    classes: Sequence[str],
    sample_ids: Sequence[str] | None,
    data_root: str | None,
) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Reads image-level labels; an image whose own label is at fault does not stop the others.

    Only VOC annotations and manifests hold labels image by image. A fault of any other source
    concerns all images and is raised.

    Args:
        source: As in :func:`weaktr_mmseg.datasets.label_sources.sources.read_image_labels`.
        classes: Class names, background first.
        sample_ids: The images asked for, or None for all.
        data_root: Folder that a relative path starts from.

    Returns:
        Image name -> foreground ids, and image name -> what is wrong for the faulty ones.

    Raises:
        FileNotFoundError: If the source itself is missing.
        ValueError: If the source itself cannot be read.
    """
    known = ForegroundClasses(classes)
    faults: dict[str, str] = {}
    labels: dict[str, list[int]] = {}
    if source.get('type') == 'voc_xml' and sample_ids is not None:
        for sample_id in sample_ids:
            try:
                labels.update(read_image_labels(source, known, [sample_id], data_root))
            except (OSError, ValueError) as error:
                faults[sample_id] = str(error)
    elif source.get('type') == 'manifest':
        for name, names, where in read_manifest(resolve_source(source, data_root)):
            if name in labels or name in faults:
                raise ValueError(f"{where}: image '{name}' is listed a second time")
            try:
                labels[name] = known.ids(names, where)
            except ValueError as error:
                faults[name] = str(error)
    else:
        labels = read_image_labels(source, known, sample_ids, data_root)
    return labels, faults
