"""What the command lines share: options, and how a tool ends.

Nothing slow is imported here, so that ``--help`` and wrong arguments are answered at once; the
tools import PyTorch and the frameworks after their arguments are parsed.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO, TextIOWrapper

TRACEBACK = 'WEAKTR_TRACEBACK'  # an environment variable: show where an error came from


def new_parser(description: str | None, epilog: str | None = None) -> argparse.ArgumentParser:
    """A parser that prints a module's docstring as it stands."""
    return argparse.ArgumentParser(
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--cfg-options``, which :func:`read_config` takes as a list of strings."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='change values of the config, key.sub=value; lists as key=a,b or key="[a,b]"',
    )


def add_refine(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds ``--refine``, which :func:`weaktr_mmseg.refinement.parse_refine` reads.

    Args:
        parser: Gets the option.
        default: What ``--refine`` alone stands for, for the help text.
    """
    parser.add_argument(
        '--refine',
        nargs='*',
        metavar='TYPE KEY=VALUE',
        help=f"refinement in place of the config's: --refine DenseCRF preset=coco_cam, --refine "
        f'PAMR iterations=5, --refine none; --refine alone is {default}',
    )


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Adds the options that start one of several processes."""
    launchers = ('none', 'pytorch', 'slurm', 'mpi')
    parser.add_argument(
        '--launcher', choices=launchers, default='none', help='what started the processes'
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def run(work: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Does a tool's work; a fault in what the user gave ends it in one line.

    Args:
        work: Gets the arguments and returns the exit code.
        args: Parsed arguments.

    Returns:
        Exit code: that of the work, or 2 for a fault, whose traceback the environment variable
        ``WEAKTR_TRACEBACK`` shows.
    """
    print_any_name()
    with quiet_imports():
        from weaktr_mmseg.checkpoints import use_safe_readers
        from weaktr_mmseg.crf import tune_allocator
    use_safe_readers()
    tune_allocator()
    try:
        return work(args)
    except (OSError, ValueError) as error:  # WeakTrInputError among them
        return _fault(error)


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Hides what the frameworks say while they are imported: optional parts that are not installed.

    What cannot be imported and is needed raises all the same.
    """
    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Fail to import', category=UserWarning)
        yield


def print_any_name() -> None:
    """Lets a tool print names that its console cannot show, with escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


def _fault(error: Exception) -> int:
    if os.environ.get(TRACEBACK):
        raise error
    print(f'error: {error}', file=sys.stderr)
    return 2
