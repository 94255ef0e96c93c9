"""The page of a report."""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from mmengine.logging import print_log

from ..utils.files import write_text
from . import sections
from .run_files import read_run

REPORT_FILE = 'report.html'


def write_report(work_dir: str | Path, out: str | Path | None = None) -> Path:
    """Writes one HTML file that needs no other file and no network.

    Sections whose files are missing, such as scores without masks, say so.

    Args:
        work_dir: Folder of a finished pipeline.
        out: File to write; ``report.html`` in ``work_dir`` when None.

    Returns:
        The file written.

    Raises:
        WeakTrInputError: If the folder has no ``summary.json`` or a file in it is damaged.
    """
    run = read_run(work_dir)
    template = (files(__package__) / 'report.html.j2').read_text(encoding='utf-8')
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(template).render(
        title=run.work_dir.resolve().name,
        summary=run.summary,
        finished=run.finished.strftime('%Y-%m-%d %H:%M UTC'),
        config_name=run.config_name,
        config_text=run.config_text,
        seed=sections.seed(run),
        metrics=sections.metric_rows(run),
        training=sections.stage_charts(run),
        thresholds=sections.threshold_charts(run),
        classes=sections.class_table(run),
        heads=sections.head_chart(run),
        confusions=sections.confusion_charts(run),
        examples=sections.example_rows(run),
        colours=sections.colour_key(run),
        times=sections.stage_times(run),
        total_time=sections.total_time(run),
    )
    target = Path(out) if out is not None else run.work_dir / REPORT_FILE
    return write_text(target, page)


def write_report_or_warn(work_dir: str | Path) -> None:
    """Writes the report at the end of a run; a fault in it must not undo what has finished.

    Args:
        work_dir: Folder of the finished pipeline.
    """
    try:
        path = write_report(work_dir)
    except Exception as error:  # whatever it is, the run has its results
        message = f'No {REPORT_FILE}: {type(error).__name__}: {error}'
        print_log(message, logger='current', level=logging.WARNING)
    else:
        print_log(f'Report: {path}', logger='current')
