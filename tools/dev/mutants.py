"""Mutation tests with the operators of Cosmic Ray; see mutants.sh.

Cosmic Ray's own loop starts a Python for every mutant, which spends nearly all of its time on
importing PyTorch and the frameworks. Here these are imported once and every mutant is tested in a
fork. Annotations are not mutated: nothing evaluates them.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import parso
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

FRAMEWORKS = ('torchvision', 'mmpretrain', 'mmseg.apis', 'matplotlib.figure', 'hypothesis')
PACKAGE = 'weaktr_mmseg'
GENERAL_TESTS = ('tests/golden', 'tests/test_docstrings.py')
TARGET = 90  # percent
PATIENCE, LONGEST = 3, 30  # times the time of the unchanged code, and seconds besides
OUTPUT = 'output_of_the_tests.txt'
KILLED, SURVIVED, ENDLESS = 'killed', 'survived', 'endless'


class Mutant(NamedTuple):
    """A change of one place."""

    path: Path
    line: int
    operator: str
    occurrence: int


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition(';')[0])
    parser.add_argument('paths', nargs='+', type=Path, help='files and folders of the package')
    parser.add_argument('--sample', type=int, help='number of places; default: all')
    parser.add_argument('--seed', type=int, default=0, help='chooses the places (default: 0)')
    parser.add_argument(
        '--tests', nargs='+', help="tests to run in place of the file's and the mirror folder's"
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Tests the mutants in a copy of the project."""
    files = sorted({file for path in args.paths for file in _files(path)})
    places: dict[tuple[Path, tuple[int, int]], list[Mutant]] = defaultdict(list)
    for file in files:
        for start, mutant in mutants_of(file):
            places[file, start].append(mutant)
    chooser = random.Random(args.seed)
    order = sorted(places)
    chooser.shuffle(order)  # a smaller sample is the beginning of a larger one
    chosen = [chooser.choice(places[place]) for place in order][: args.sample]
    with tempfile.TemporaryDirectory() as folder:
        root = _copy_project(Path(folder))
        for name in FRAMEWORKS:
            importlib.import_module(name)
        counts = Counter(_test(mutant, root, args.tests) for mutant in chosen)
    noticed = counts[KILLED] + counts[ENDLESS]
    percent = 100 * noticed / max(counts.total(), 1)
    print(f'{noticed} of {counts.total()} noticed ({percent:.0f} %), {len(places)} places in all')
    return int(percent < TARGET)


def mutants_of(file: Path) -> Iterator[tuple[tuple[int, int], Mutant]]:
    """Yields the place (line, column) and the mutant for every change of a file."""
    tree = get_ast(file.read_text(encoding='utf-8'))
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments():
            continue
        occurrence = 0
        for node in ast_nodes(tree):
            for start, _ in operator().mutation_positions(node):
                if not _in_annotation(node):
                    yield start, Mutant(file, start[0], name, occurrence)
                occurrence += 1


def _in_annotation(node: parso.tree.NodeOrLeaf) -> bool:
    while node.parent is not None:
        siblings = node.parent.children
        before = siblings[siblings.index(node) - 1] if siblings[0] is not node else None
        if getattr(before, 'value', '') in (':', '->') and node.parent.type in (
            'tfpdef',
            'annassign',
            'funcdef',
        ):
            return node.type != 'suite'
        node = node.parent
    return False


def _files(path: Path) -> list[Path]:
    found = sorted(path.rglob('*.py')) if path.is_dir() else [path]
    return [file for file in found if file.name != '__init__.py']


def _copy_project(root: Path) -> Path:
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        capture_output=True,
        check=True,
        encoding='utf-8',
    )
    for name in filter(None, listed.stdout.split('\0')):
        if Path(name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, root / name)
    return root


def _test(mutant: Mutant, root: Path, tests: Sequence[str] | None) -> str:
    """Runs the tests of a mutant and says how it fared."""
    source = mutant.path.read_text(encoding='utf-8')
    changed = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    for path in tests or tests_of(mutant.path):
        timeout = PATIENCE * _usual_seconds(path, root) + LONGEST
        (root / mutant.path).write_text(changed, encoding='utf-8')
        outcome = _run(path, root, timeout)
        (root / mutant.path).write_text(source, encoding='utf-8')
        if outcome != SURVIVED:
            break
    print(f'{outcome} {mutant.path}:{mutant.line} {mutant.operator.removeprefix("core/")}')
    if outcome == SURVIVED:
        before, after = source.splitlines(), changed.splitlines()
        print(*(f'  - {old}\n  + {new}' for old, new in zip(before, after) if old != new), sep='\n')
    sys.stdout.flush()
    return outcome


def tests_of(file: Path) -> list[str]:
    """The tests that know a file, the nearest first.

    Those of its name, wherever they are, the others of the mirror folder, comparisons with the
    authors' arrays, examples of docstrings, and those that import what the file defines, unless
    they start processes, which takes long.
    """
    folder = Path('tests', *file.parent.parts[1:])
    while not folder.is_dir():
        folder = folder.parent
    own, others = Path('tests').rglob(f'test_{file.name}'), folder.rglob('test_*.py')
    tests = (test for test in Path('tests').rglob('test_*.py') if test.parent.name != 'golden')
    users = (test for test in tests if _imports_from(test, file))
    return list(
        dict.fromkeys(map(str, [*sorted(own), *sorted(others), *GENERAL_TESTS, *sorted(users)]))
    )


def _imports_from(test: Path, file: Path) -> bool:
    module, text = '.'.join(file.with_suffix('').parts), test.read_text(encoding='utf-8')
    definitions = ast.parse(file.read_text(encoding='utf-8')).body
    names = {node.name for node in definitions if hasattr(node, 'name')}
    return 'subprocess' not in text and any(
        alias.name in names or module in (node.module, f'{node.module}.{alias.name}')
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith(PACKAGE)
        for alias in node.names
    )


@cache
def _usual_seconds(tests: str, root: Path) -> float:
    """Time of the tests on unchanged code, where they must pass."""
    start = time.perf_counter()
    if _run(tests, root, timeout=3600) != SURVIVED:
        output = (root / OUTPUT).read_text(encoding='utf-8', errors='replace')
        sys.exit(f'{output}\nerror: {tests} fail on unchanged code')
    return time.perf_counter() - start


def _run(tests: str, root: Path, timeout: float) -> str:
    child = os.fork()
    if child == 0:
        _run_here(tests, root)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            return SURVIVED if status == 0 else KILLED
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return ENDLESS


def _run_here(tests: str, root: Path) -> None:
    """Runs tests in this process, which ends with their exit code."""
    os.setpgid(0, 0)
    os.chdir(root)
    sys.path.insert(0, str(root))
    os.environ['PYTHONPATH'] = os.pathsep.join([str(root), *sys.path[1:]])
    sys.dont_write_bytecode = True
    with open(OUTPUT, 'w', encoding='utf-8') as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    code = 1
    try:
        code = pytest.main(['-x', '-q', '-p', 'no:cacheprovider', tests])
    finally:
        os._exit(int(code))


if __name__ == '__main__':
    sys.exit(main(parse_args()))
