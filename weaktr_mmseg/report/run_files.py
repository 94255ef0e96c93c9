"""What a finished run left in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..evaluation.score_files import read_scores
from ..utils.errors import WeakTrInputError

SUMMARY = 'summary.json'


@dataclass(frozen=True)
class RunFiles:
    """Content of the files of a run; None where a file is missing.

    Attributes:
        work_dir: The folder.
        summary: ``summary.json``.
        finished: When the pipeline ended; when the summary was written if that says nothing.
        config_name: File name of the dumped config.
        config_text: The complete config.
        cam_scores: Maps on the training split, see :class:`WeakTrCAMMetric`.
        split_scores: Maps on the split for comparison.
        mask_scores: Pseudo labels.
        val_scores: The segmentor, see :class:`WeakTrScoreWriter`.
        head_weights: See :class:`WeakTrHeadWeightHook`.
        logs: Logged scalars of each stage with a training, one dictionary a line.
    """

    work_dir: Path
    summary: dict[str, Any]
    finished: datetime
    config_name: str | None
    config_text: str | None
    cam_scores: dict[str, Any] | None
    split_scores: dict[str, Any] | None
    mask_scores: dict[str, Any] | None
    val_scores: dict[str, Any] | None
    head_weights: dict[str, Any] | None
    logs: dict[str, list[dict[str, float]]]


def read_run(work_dir: str | Path) -> RunFiles:
    """Reads the files of a run.

    Raises:
        WeakTrInputError: If the folder has no ``summary.json`` of a finished pipeline, or a file is
            damaged.
    """
    folder = Path(work_dir)
    path = folder / SUMMARY
    if not path.is_file():
        raise WeakTrInputError(f'{path}: expected the output of a finished pipeline, no such file')
    try:
        summary = read_scores(path)
        labels, retrain = folder / 'pseudo_labels', folder / 'retrain'
        scores = dict(
            cam_scores=read_scores(labels / 'scores_train.json'),
            split_scores=read_scores(labels / 'scores_score_split.json'),
            mask_scores=read_scores(labels / 'scores_masks.json'),
            val_scores=read_scores(retrain / 'scores_val.json'),
            head_weights=read_scores(labels / 'head_weights_train.json'),
        )
    except ValueError as error:
        raise WeakTrInputError(str(error)) from error
    if summary is None or not isinstance(summary.get('metrics'), dict):
        raise WeakTrInputError(f"{path}: expected the key 'metrics' of a finished pipeline")
    config = _config_file(folder)
    return RunFiles(
        work_dir=folder,
        summary=summary,
        finished=_finished(summary, path),
        config_name=None if config is None else config.name,
        config_text=None if config is None else config.read_text(encoding='utf-8'),
        logs=_stage_logs(folder, summary.get('stages') or {}),
        **scores,
    )


def _finished(summary: dict[str, Any], path: Path) -> datetime:
    try:
        return datetime.fromisoformat(summary['finished'])
    except (KeyError, TypeError, ValueError):
        return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)


def _config_file(folder: Path) -> Path | None:
    """The dumped config: the newest, if the folder was used with several."""
    configs = sorted(folder.glob('*.py'), key=lambda path: path.stat().st_mtime)
    return configs[-1] if configs else None


def _stage_logs(folder: Path, stages: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """Logs of the trainings: the stages of which a checkpoint was chosen."""
    return {
        name: _read_logs(folder / stage.get('folder', name))
        for name, stage in stages.items()
        if 'chosen_by' in stage
    }


def _read_logs(folder: Path) -> list[dict[str, float]]:
    """Scalars of all starts of a stage; what a later start repeats replaces the earlier."""
    lines: dict[tuple, dict[str, float]] = {}
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in path.read_text(encoding='utf-8').splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # the last line of a run that was cut off
                continue
            if isinstance(record, dict):
                lines[('iter' in record, record.get('step'))] = record
    return list(lines.values())
