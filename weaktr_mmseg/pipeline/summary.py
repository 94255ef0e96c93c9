"""``summary.json``: what a pipeline reached, where it ran and how to repeat it."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ..version import __version__

VERSIONED = ('mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'torch', 'numpy')


def environment() -> dict[str, Any]:
    """Versions and machine, as far as they bear on results and timings."""
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
