"""Runs a command-line tool of the installed mmsegmentation in this process."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import mmseg

from weaktr_mmseg.engine.distributed import init_cpu_process_group
from weaktr_mmseg.errors import WeakTrInputError


def run_mmseg_tool(name: str) -> None:
    """Runs ``tools/<name>`` of mmseg with this process's arguments.

    A fault in the input ends the process with one line and exit code 2.

    Args:
        name: File name of the tool.
    """
    script = _find_tool(name)
    config = next((arg for arg in sys.argv[1:] if not arg.startswith('-')), None)
    if config is not None and not Path(config).is_file():
        sys.exit(_fault(f'config file {config} does not exist'))
    if 'RANK' in os.environ and '--launcher' in ' '.join(sys.argv):
        init_cpu_process_group('pytorch')
    try:
        runpy.run_path(str(script), run_name='__main__')
    except WeakTrInputError as error:
        sys.exit(_fault(str(error)))


def _find_tool(name: str) -> Path:
    package = Path(mmseg.__file__).parent
    for script in (package / '.mim' / 'tools' / name, package.parent / 'tools' / name):
        if script.is_file():
            return script
    sys.exit(_fault(f'mmsegmentation in {package} has no tools/{name}; reinstall it with pip'))


def _fault(message: str) -> int:
    print(f'error: {message}', file=sys.stderr)
    return 2
