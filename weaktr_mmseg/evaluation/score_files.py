"""``scores_*.json``: what the stages measured, in more detail than the scalars of a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..pseudo_labels.thresholds import ThresholdSweep
from ..utils.confusion import class_iou, mean_iou
from ..utils.files import write_text


def write_scores(path: str | Path, content: dict[str, Any]) -> None:
    """Writes scores atomically as JSON; numbers that are not defined (NaN) become null.

    Args:
        path: Target file.
        content: Numbers, strings, arrays, and lists and dictionaries of them.
    """
    text = json.dumps(content, default=lambda array: array.tolist())
    plain = json.loads(text, parse_constant=lambda undefined: None)
    write_text(path, json.dumps(plain) + '\n')


def read_scores(path: str | Path) -> dict[str, Any] | None:
    """Reads what :func:`write_scores` wrote; None if there is no such file.

    Raises:
        ValueError: If the file is torn.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f'{path}: expected scores as JSON, could not read them: {error}') from None
    if not isinstance(content, dict):
        raise ValueError(f'{path}: expected scores as a JSON object, got {type(content).__name__}')
    return content


def confusion_scores(confusion: np.ndarray) -> dict[str, Any]:
    """Scores that follow from a confusion matrix.

    Args:
        confusion: Pixel counts, int64 (truth, prediction).

    Returns:
        ``confusion``; ``iou`` of each class in percent, NaN where a class neither occurs nor is
        predicted; ``miou``, their mean.
    """
    return dict(confusion=confusion, iou=class_iou(confusion), miou=float(mean_iou(confusion)))


def sweep_scores(sweep: ThresholdSweep, threshold: float | None) -> dict[str, Any]:
    """Scores of maps at every background threshold, at the chosen and at the best one.

    Args:
        sweep: The counts of all images.
        threshold: The threshold of the run, one of the sweep; None if there is none.

    Returns:
        ``thresholds`` and ``miou`` (T,), and ``chosen`` and ``oracle``, each with ``threshold``
        and the content of :func:`confusion_scores`.
    """
    result, confusion = sweep.compute(), sweep.confusion()
    chosen = None if threshold is None else int(np.abs(result.thresholds - threshold).argmin())
    return dict(
        thresholds=result.thresholds,
        miou=result.miou,
        chosen=None if chosen is None else _at(result.thresholds, confusion, chosen),
        oracle=_at(result.thresholds, confusion, result.best),
    )


def _at(thresholds: np.ndarray, confusion: np.ndarray, index: int) -> dict[str, Any]:
    return dict(threshold=float(thresholds[index]), **confusion_scores(confusion[index]))
