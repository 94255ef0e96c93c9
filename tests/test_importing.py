"""Importing the package registers its classes and changes nothing else in the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import weaktr_mmseg

# Runs in a process of its own: takes stock, imports every module of the package, takes stock again.
PROBE = """
import ctypes, importlib, json, locale, logging, os, pkgutil, random, signal, sys, warnings
import matplotlib, numpy, torch
import mmengine.runner, mmpretrain.models, mmseg.apis  # what the package needs
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader
from PIL import Image, ImageFile

libraries = []
class CDLL(ctypes.CDLL):
    def __init__(self, name, *args, **kwargs):
        libraries.append(str(name))
        super().__init__(name, *args, **kwargs)
ctypes.CDLL = CDLL
variables = []
sys.addaudithook(lambda event, args: event == 'os.putenv' and variables.append(str(args)))


def logger_state(name):
    logger = logging.getLogger(name)
    return [logger.level, logger.propagate, [repr(handler) for handler in logger.handlers]]


loggers = ['', *logging.root.manager.loggerDict]


def stock():
    return dict(
        checkpoint_loaders={key: repr(f) for key, f in CheckpointLoader._schemes.items()},
        default_scope=repr(DefaultScope.get_current_instance()),
        streams=[id(s) for s in (sys.stdin, sys.stdout, sys.stderr, sys.__stdout__)]
        + [os.fstat(number)[:3] for number in (1, 2)],
        hooks=[repr(sys.excepthook), repr(sys.displayhook)],
        loggers={name: logger_state(name) for name in loggers},
        disabled_logging=logging.root.manager.disable,
        torch_settings=[
            torch.get_num_threads(), torch.get_num_interop_threads(),
            str(torch.get_default_dtype()), torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(), torch.is_grad_enabled(),
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic,
            torch.backends.cuda.matmul.allow_tf32, torch.multiprocessing.get_sharing_strategy(),
            repr(torch.load), repr(torch.save),
        ],
        random_states=[
            torch.get_rng_state().tolist(), repr(numpy.random.get_state()), repr(random.getstate()),
        ],
        numpy_settings=[numpy.geterr(), str(numpy.get_printoptions())],
        c_libraries=list(libraries),
        warning_filters=[str(entry) for entry in warnings.filters],
        environment=[dict(os.environ), list(variables)],
        signals=[repr(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)],
        locale=locale.setlocale(locale.LC_ALL),
        image_limits=[Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES],
        figures={key: str(value) for key, value in matplotlib.rcParams.items()},
        search_path=list(sys.path),
        folder=[os.getcwd(), sorted(os.listdir())],
    )


before = stock()
import weaktr_mmseg
after_package = stock()
for entry in pkgutil.walk_packages(weaktr_mmseg.__path__, 'weaktr_mmseg.'):
    if not entry.name.endswith('__main__'):
        importlib.import_module(entry.name)
with open(sys.argv[1], 'w') as file:
    json.dump(dict(before=before, package=after_package, modules=stock()), file)
"""
THINGS = [
    'c_libraries',
    'checkpoint_loaders',
    'default_scope',
    'disabled_logging',
    'environment',
    'figures',
    'folder',
    'hooks',
    'image_limits',
    'locale',
    'loggers',
    'numpy_settings',
    'random_states',
    'search_path',
    'signals',
    'streams',
    'torch_settings',
    'warning_filters',
]


@pytest.fixture(scope='module')
def stocks(tmp_path_factory):
    folder, result = tmp_path_factory.mktemp('empty'), tmp_path_factory.mktemp('result') / 'x.json'
    root = str(Path(weaktr_mmseg.__file__).parents[1])
    code = f'import sys\nsys.path.insert(0, {root!r})\n{PROBE}'
    command = [sys.executable, '-c', code, str(result)]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding='utf-8')
    assert done.returncode == 0, done.stderr
    return json.loads(result.read_text(encoding='utf-8'))


def test_everything_is_compared(stocks):
    assert sorted(stocks['before']) == THINGS


@pytest.mark.parametrize('thing', THINGS)
@pytest.mark.parametrize('imported', ['package', 'modules'])
def test_importing_leaves_it_as_it_was(stocks, imported, thing):
    assert stocks[imported][thing] == stocks['before'][thing]
