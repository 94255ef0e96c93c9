"""Runs a command-line tool of the installed mmsegmentation in this process."""

from __future__ import annotations

import argparse
import copy
import os
import runpy
import sys
from pathlib import Path

import mmseg
from mmengine.config import Config
from torch.distributed.elastic.multiprocessing.errors import record

from weaktr_mmseg.apis.models import check_weights
from weaktr_mmseg.checkpoints import use_safe_readers
from weaktr_mmseg.engine.distributed import init_cpu_process_group, runs_on_cpu_processes
from weaktr_mmseg.pipeline.preflight import check_stage, without_traces
from weaktr_mmseg.pipeline.stage_configs import remove_training
from weaktr_mmseg.pipeline.update_schedule import fit_schedule
from weaktr_mmseg.utils.configs import read_config
from weaktr_mmseg.utils.errors import WeakTrError
from weaktr_mmseg.utils.model_folder import model_files

from command_line import print_any_name

# What the stock runner lacks for models on the CPU; see cpu_model_wrapper.
CPU_WRAPPER = (
    'model_wrapper_cfg.type=MMDistributedDataParallel',
    'model_wrapper_cfg.device_ids=None',
    'model_wrapper_cfg.broadcast_buffers=False',
)
NO_FILE = (FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError)
TRACEBACK = 'WEAKTR_TRACEBACK'  # an environment variable: show where an error came from


def run_mmseg_tool(name: str, args: argparse.Namespace) -> None:
    """Runs ``tools/<name>`` of mmseg with this process's arguments.

    Everything is built once beforehand, so that a fault of the config, whatever framework notices
    it, ends the process with one line and exit code 2; so does a fault of the data that is found
    later. What fails while it runs shows its traceback. Under torchrun, any other error is noted
    for its final report, so that the first process to fail is seen.

    Args:
        name: File name of the tool.
        args: Its arguments as parsed.
    """
    print_any_name()
    use_safe_readers()
    script = _find_tool(name)
    if not Path(args.config).is_file():
        sys.exit(_fault(f'config file {args.config} does not exist'))
    run = record(_run) if 'TORCHELASTIC_RUN_ID' in os.environ else _run
    run(script, args)


def replace_folder(config: str, checkpoint: str | None) -> None:
    """Puts the config and the weights of a published folder in its place among the arguments.

    Args:
        config: The folder, or a config, which is left alone if it comes with
        checkpoint: Weights.
    """
    if checkpoint is not None:
        return
    try:
        files = model_files(config)
    except WeakTrError as error:
        sys.exit(_fault(str(error)))
    place = sys.argv.index(config)
    sys.argv[place : place + 1] = map(str, files)


def _run(script: Path, args: argparse.Namespace) -> None:
    try:
        init_cpu_process_group(args.launcher)
        cfg = read_config(args.config, args.cfg_options)
        is_pipeline = script.name == 'train.py' and 'runner_type' in cfg
        if not is_pipeline:
            if script.name == 'train.py' and (fitted := fit_schedule(cfg)):
                cfg.merge_from_dict(fitted)
                sys.argv += ['--cfg-options', *(f'{key}={fitted[key]}' for key in fitted)]
            check_stage(_single_stage(cfg, script, args))
            if runs_on_cpu_processes(args.launcher):
                sys.argv += ['--cfg-options', *CPU_WRAPPER]
        if script.name == 'test.py':
            with without_traces():
                check_weights(cfg, args.checkpoint)
            sys.argv += test_work_dir(cfg, sys.argv)
        runpy.run_path(str(script), run_name='__main__')
    except (WeakTrError, *NO_FILE) as error:
        if os.environ.get(TRACEBACK):
            raise
        sys.exit(_fault(str(error)))


def _single_stage(cfg: Config, script: Path, args: argparse.Namespace) -> Config:
    """What mmengine's runner will read, as far as this can be known from the arguments."""
    cfg = copy.deepcopy(cfg)
    cfg.setdefault('work_dir', 'work_dirs')
    if script.name == 'test.py':
        remove_training(cfg)
    elif args.amp and cfg.get('optim_wrapper', {}).get('type') == 'OptimWrapper':
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
    return cfg


def test_work_dir(cfg: Config, arguments: list[str]) -> list[str]:
    """Arguments that give the test of a pipeline a folder of its own.

    The runner writes the config of a test into its folder, where that of a pipeline lies that alone
    repeats the run.

    Args:
        cfg: The config.
        arguments: Those given; one that names a folder decides.
    """
    named = any(item.startswith(('--work-dir', 'work_dir=')) for item in arguments)
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
