"""Runs a command-line tool of the installed mmsegmentation in this process."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import mmseg
from mmengine.config import Config
from torch.distributed.elastic.multiprocessing.errors import record

from weaktr_mmseg.checkpoints import use_safe_readers
from weaktr_mmseg.engine.distributed import init_cpu_process_group, runs_on_cpu_processes
from weaktr_mmseg.utils.errors import WeakTrError
from weaktr_mmseg.utils.model_folder import model_files

# What the stock runner lacks for models on the CPU; see cpu_model_wrapper.
CPU_WRAPPER = (
    'model_wrapper_cfg.type=MMDistributedDataParallel',
    'model_wrapper_cfg.device_ids=None',
    'model_wrapper_cfg.broadcast_buffers=False',
)
TRACEBACK = 'WEAKTR_TRACEBACK'  # an environment variable: show where an error came from


def run_mmseg_tool(name: str) -> None:
    """Runs ``tools/<name>`` of mmseg with this process's arguments.

    A fault in the input ends the process with one line and exit code 2. Under torchrun, any other
    error is noted for its final report, so that the first process to fail is seen.

    Args:
        name: File name of the tool.
    """
    use_safe_readers()
    script = _find_tool(name)
    config = next((arg for arg in sys.argv[1:] if not arg.startswith('-')), None)
    if config is not None and not Path(config).is_file():
        sys.exit(_fault(f'config file {config} does not exist'))
    run = record(_run) if 'TORCHELASTIC_RUN_ID' in os.environ else _run
    run(script, config)


def replace_folder(config: str, checkpoint: str | None) -> None:
    """Puts the config and the weights of a published folder in its place among the arguments.

    Args:
        config: The folder, or a config, which is left alone if it comes with
        checkpoint: weights.
    """
    if checkpoint is not None:
        return
    try:
        files = model_files(config)
    except WeakTrError as error:
        sys.exit(_fault(str(error)))
    place = sys.argv.index(config)
    sys.argv[place : place + 1] = map(str, files)


def _run(script: Path, config: str | None) -> None:
    try:
        launcher = _launcher(sys.argv)
        init_cpu_process_group(launcher)
        if config and runs_on_cpu_processes(launcher) and _is_single_stage(script, config):
            sys.argv += ['--cfg-options', *CPU_WRAPPER]
        if config and script.name == 'test.py':
            sys.argv += test_work_dir(config, sys.argv)
        runpy.run_path(str(script), run_name='__main__')
    except WeakTrError as error:
        if os.environ.get(TRACEBACK):
            raise
        sys.exit(_fault(str(error)))


def _launcher(arguments: list[str]) -> str:
    for argument, following in zip(arguments, [*arguments[1:], '']):
        option, _, value = argument.partition('=')
        if option == '--launcher':
            return value or following
    return 'none'


def _is_single_stage(script: Path, config: str) -> bool:
    """Whether mmengine's runner reads the config itself, and not that of a pipeline."""
    return script.name != 'train.py' or 'runner_type' not in Config.fromfile(config)


def test_work_dir(config: str, arguments: list[str]) -> list[str]:
    """Arguments that give the test of a pipeline a folder of its own.

    The runner writes the config of a test into its folder, where that of a pipeline lies that alone
    repeats the run.

    Args:
        config: Config file.
        arguments: Those given; one that names a folder decides.
    """
    named = any(item.startswith(('--work-dir', 'work_dir=')) for item in arguments)
    cfg = Config.fromfile(config)
    if named or 'runner_type' not in cfg:
        return []
    return ['--work-dir', str(Path(cfg.work_dir) / 'test')]


def _find_tool(name: str) -> Path:
    package = Path(mmseg.__file__).parent
    for script in (package / '.mim' / 'tools' / name, package.parent / 'tools' / name):
        if script.is_file():
            return script
    sys.exit(_fault(f'mmsegmentation in {package} has no tools/{name}; reinstall it with pip'))


def _fault(message: str) -> int:
    print(f'error: {message}', file=sys.stderr)
    return 2
