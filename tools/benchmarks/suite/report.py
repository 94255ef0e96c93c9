"""Results as JSON and as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from .case import Result

COLUMNS = ('case', 'seconds', 'baseline', 'ratio', 'peak MB', 'baseline MB', 'ratio', 'floor s')


def table(results: Sequence[Result], floors: Mapping[str, float]) -> str:
    """Results as a Markdown table.

    Args:
        results: What was measured.
        floors: Least seconds of some of the cases.
    """
    rows = [COLUMNS, ('---', *['---:'] * (len(COLUMNS) - 1))]
    rows += [
        (
            result.name,
            _number(result.seconds, 3),
            _number(result.baseline_seconds, 3),
            _ratio(result.seconds, result.baseline_seconds),
            _number(result.peak_mb, 0),
            _number(result.baseline_peak_mb, 0),
            _ratio(result.peak_mb, result.baseline_peak_mb),
            _number(floors.get(result.name), 3),
        )
        for result in results
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return '\n'.join(
        '| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths)) + ' |'
        for row in rows
    )


def _number(value: float | None, digits: int) -> str:
    return '-' if value is None else f'{value:.{digits}f}'


def _ratio(value: float | None, baseline: float | None) -> str:
    return '-' if value is None or not baseline else f'{value / baseline:.2f}'


def write_json(path: Path, results: Sequence[Result]) -> None:
    """Writes the results as a list of objects."""
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    temporary.write_text(
        json.dumps([asdict(result) for result in results], indent=1) + '\n', encoding='utf-8'
    )
    os.replace(temporary, path)
