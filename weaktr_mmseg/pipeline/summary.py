"""``summary.json``: what a pipeline reached, where it ran and how to repeat it."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ..version import __version__
from .stage import Run, Stage

SHOWN = ('seconds', 'chosen_by')
VERSIONED = ('mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'torch', 'numpy')


def summarise(run: Run, stages: Sequence[Stage]) -> dict[str, Any]:
    """Content of the summary of a finished run.

    Args:
        run: The run with the results of all stages.
        stages: The stages in their order.
    """
    results = run.results
    metrics = {
        name: None if value is None else round(float(value), 2)
        for result in results.values()
        for name, value in result.get('metrics', {}).items()
    }
    described = {}
    for stage in stages:
        result = results[stage.name]
        entry = dict(title=stage.title, folder=stage.folder)
        entry.update({key: result[key] for key in SHOWN if key in result})
        if 'checkpoint' in result:
            entry['checkpoint'] = str(run.checkpoint(stage.name))
        described[stage.name] = entry
    return dict(
        metrics=metrics,
        stages=described,
        threshold=results.get('pseudo_labels', {}).get('threshold'),
        environment=environment(),
        command=command(),
        finished=now(),
    )


def environment() -> dict[str, Any]:
    """Versions and machine, as far as they affect results and timings."""
    versions = {name: import_module(name).__version__ for name in VERSIONED}
    return dict(
        weaktr_mmseg=__version__,
        python=platform.python_version(),
        **{name: str(version) for name, version in versions.items()},
        platform=platform.platform(),
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count(),
        torch_threads=torch.get_num_threads(),
        gpus=[torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    )


def command() -> str:
    """The command line of this process, quoted for a shell.

    ``sys.argv`` names mmseg's own tool by then, which tools/train.py runs in its process; Python
    3.9 knows nothing else.
    """
    original = getattr(sys, 'orig_argv', [sys.executable, *sys.argv])
    return shlex.join([Path(original[0]).name, *original[1:]])


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.now(timezone.utc).isoformat(timespec='seconds')
