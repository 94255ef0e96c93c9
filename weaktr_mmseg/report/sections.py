"""Sections of a report, from the files of a run to what the page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .charts import Mark, Series, line_chart, matrix_chart
from .pictures import example_pictures
from .run_files import RunFiles

# Name in the summary, without `_oracle` -> what it is, on which images.
METRICS = {
    'image_map': ('Image labels, mean average precision', 'training images'),
    'cam_coarse_miou': ('Coarse CAM, mIoU', 'training images'),
    'cam_fused_miou': ('Fused CAM, mIoU', 'training images'),
    'pseudo_label_miou': ('Pseudo labels, mIoU', 'training images'),
    'val_cam_miou': ('Fused CAM given the image labels, mIoU', 'validation images'),
    'val_miou': ('Segmentor, mIoU', 'validation images'),
    'val_miou_given_labels': ('Segmentor given the image labels, mIoU', 'validation images'),
    'mask_miou': ('Masks: segmentor given the image labels, mIoU', 'training images'),
}
SCORE_KEYS = re.compile(r'(image_map|m?iou(_oracle)?|aacc|macc)$', re.IGNORECASE)


def metric_rows(run: RunFiles) -> list[dict[str, Any]]:
    """Scores of the summary with what chose the threshold behind each."""
    chosen_by = (run.summary.get('threshold') or {}).get('chosen_by')
    rows = []
    for key, value in run.summary['metrics'].items():
        name, images = METRICS.get(key.removesuffix('_oracle'), (key, ''))
        kind = _kind(key, chosen_by)
        rows.append(dict(key=key, name=name, images=images, value=value, kind=kind))
    return rows


def _kind(key: str, chosen_by: str | None) -> str:
    if key.endswith('_oracle'):
        return 'oracle'
    if key == 'image_map' or chosen_by == 'label-free':
        return 'label-free'
    return 'fixed' if chosen_by == 'fixed' else 'unknown'


def stage_charts(run: RunFiles) -> list[dict[str, str]]:
    """Loss and score curves of each training."""
    charts = []
    for stage, records in run.logs.items():
        training = [record for record in records if 'loss' in record]
        validation = [record for record in records if 'loss' not in record]
        losses = sorted({key for record in training for key in record if 'loss' in key})
        scores = sorted({key for record in validation for key in record if SCORE_KEYS.search(key)})
        charts.append(
            dict(
                name=_title(run, stage),
                loss=_curves(training, losses, 'iter', 'iteration', 'loss'),
                score=_curves(validation, scores, 'step', 'epoch', 'score in %'),
            )
        )
    return charts


def _curves(records: Sequence[Mapping], keys: Sequence[str], x: str, x_label: str, y: str) -> str:
    series = [
        Series(key, [r[x] for r in chosen], [r[key] for r in chosen])
        for key in keys
        if (chosen := [record for record in records if key in record and x in record])
    ]
    return line_chart(series, x_label, y, x_start=0.0)


def threshold_charts(run: RunFiles) -> list[dict[str, str]]:
    """mIoU over the background threshold of each split with masks."""
    charts = []
    for title, scores in (
        ('Training images', run.cam_scores),
        ('Split for comparison', run.split_scores),
    ):
        maps = (scores or {}).get('maps') or {}
        series = [
            Series(f'{kind} CAM', sweep['thresholds'], sweep['miou'])
            for kind, sweep in sorted(maps.items(), reverse=True)
        ]
        charts.append(dict(name=title, chart=_sweep_chart(series, maps, run)))
    return [chart for chart in charts if chart['chart']]


def _sweep_chart(series: Sequence[Series], maps: Mapping, run: RunFiles) -> str:
    marks = []
    threshold = run.summary.get('threshold') or {}
    if threshold.get('value') is not None:
        who = {'label-free': 'label-free', 'fixed': 'fixed by config'}.get(
            str(threshold.get('chosen_by')), ''
        )
        marks.append(Mark(threshold['value'], f'of the run, {who}: {threshold["value"]:.2f}'))
    for kind, sweep in sorted(maps.items(), reverse=True):
        best = sweep['oracle']
        caption = f'oracle, {kind}: {best["threshold"]:.2f} ({best["miou"]:.1f} %)'
        marks.append(Mark(best['threshold'], caption))
    return line_chart(series, 'background threshold', 'mIoU in %', marks)


def class_table(run: RunFiles) -> dict[str, Any] | None:
    """IoU of each class in maps, pseudo labels and predictions; None without any mask."""
    fused = ((run.cam_scores or {}).get('maps') or {}).get('fused') or {}
    columns: dict[str, tuple[Any, dict]] = {
        'fused CAM': (run.cam_scores, fused.get('chosen') or {}),
        'pseudo label': (run.mask_scores, run.mask_scores or {}),
        'segmentor, val': (run.val_scores, run.val_scores or {}),
    }
    known = {name: pair for name, pair in columns.items() if pair[1].get('iou')}
    if not known:
        return None
    classes = next(iter(known.values()))[0]['classes']
    rows = [
        dict(name=name, values=[scores['iou'][index] for _, scores in known.values()])
        for index, name in enumerate(classes)
    ]
    means = [scores['miou'] for _, scores in known.values()]
    return dict(columns=list(known), rows=rows, means=means)


def head_chart(run: RunFiles) -> dict[str, Any] | None:
    """The mean weight of each head as a map layers x heads."""
    if run.head_weights is None:
        return None
    mean, std = (np.array(run.head_weights[key], float) for key in ('mean', 'std'))
    low, high = float(mean.min()), float(mean.max())
    # Weights that hardly differ must not look as if they did.
    limits = (high - max(high - low, 0.05), high)
    layers, heads = ([str(i + 1) for i in range(size)] for size in mean.shape)
    return dict(
        chart=matrix_chart(mean, layers, heads, 'layer', 'head', limits),
        low=low,
        high=high,
        spread=float(std.mean()),
        passes=run.head_weights['passes'],
    )


def confusion_charts(run: RunFiles) -> list[dict[str, Any]]:
    """Confusion matrices by share of the pixels of each true class."""
    charts = []
    for title, scores in (
        ('Segmentor on validation images', run.val_scores),
        ('Pseudo labels on training images', run.mask_scores),
    ):
        if scores and scores.get('confusion'):
            counts = np.array(scores['confusion'], float)
            total = counts.sum(axis=1, keepdims=True)
            share = np.where(total > 0, counts / np.maximum(total, 1), np.nan)
            chart = matrix_chart(share, scores['classes'], scores['classes'], 'truth', 'prediction')
            charts.append(dict(name=title, chart=chart))
    return charts


def example_rows(run: RunFiles) -> list[dict[str, Any]]:
    """Best and worst predictions, and some pseudo labels."""
    rows = []
    val, masks = (run.val_scores, 'retrain'), (run.mask_scores, 'pseudo_labels')
    for title, (scores, folder), key, file, kind in (
        ('Best predictions', val, 'best', 'prediction', 'prediction'),
        ('Worst predictions', val, 'worst', 'prediction', 'prediction'),
        ('Pseudo labels of training images', masks, 'examples', 'mask', 'pseudo label'),
    ):
        if scores and scores.get(key):
            place, palette = run.work_dir / folder, scores['palette']
            drawn = example_pictures(scores[key], place, palette, file, kind)
            rows.append(dict(name=title, items=drawn))
    return [row for row in rows if row['items']]


def colour_key(run: RunFiles) -> list[tuple[str, str]]:
    """Name and CSS colour of each class."""
    scores = next((s for s in (run.val_scores, run.mask_scores) if s and s.get('palette')), None)
    if scores is None:
        return []
    return [
        (name, 'rgb({} {} {})'.format(*colour))
        for name, colour in zip(scores['classes'], scores['palette'])
    ]


def stage_times(run: RunFiles) -> list[dict[str, Any]]:
    """Seconds of each stage and their share of all."""
    seconds = {
        name: float(stage.get('seconds') or 0)
        for name, stage in (run.summary.get('stages') or {}).items()
    }
    total = sum(seconds.values()) or 1.0
    return [
        dict(name=_title(run, name), text=_duration(value), share=100 * value / total)
        for name, value in seconds.items()
    ]


def _title(run: RunFiles, stage: str) -> str:
    return run.summary['stages'][stage].get('title', stage)


def total_time(run: RunFiles) -> str:
    """Time of all stages together."""
    stages = (run.summary.get('stages') or {}).values()
    return _duration(sum(float(stage.get('seconds') or 0) for stage in stages))


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f'{seconds:.1f} s'
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes} min' if hours else f'{minutes} min {rest} s'


def seed(run: RunFiles) -> str | None:
    """Seed of the run, from its config."""
    found = re.search(r'^randomness = dict\([^)]*\bseed=(\w+)', run.config_text or '', re.MULTILINE)
    return None if found is None else found.group(1)
