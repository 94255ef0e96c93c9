"""The whole pipeline: `tools/train.py configs/weaktr_demo.py` in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .case import Result
from .memory import MB

ROOT = Path(__file__).parents[3]


def run_demo() -> Result:
    """Runs the demo once into a temporary folder.

    Returns:
        Its time and the largest resident memory of a process of it.

    Raises:
        RuntimeError: If it fails; with the end of what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, 'tools/train.py', 'configs/weaktr_demo.py']
        start = time.perf_counter()
        done = subprocess.run(
            [*command, '--work-dir', folder],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding='utf-8',
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f'the demo failed: {done.stdout[-2000:]}')
    unit = 1 if sys.platform == 'darwin' else 1024
    peak = unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Result('demo', seconds, peak / MB)
