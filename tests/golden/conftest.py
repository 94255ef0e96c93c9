"""Golden arrays: outputs of the authors' implementation, which define numerical parity.

A test module names the files it is about, ``GOLDEN_PATTERN = 'grad_clip_*.npz'``; each of its tests
that takes the fixture ``golden`` (or ``golden_file``, the path) then runs once for every matching
file of the folder named by the environment variable ``WEAKTR_GOLDEN_DIR`` (default:
``tests/data/golden``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from weaktr_mmseg.checkpoints import convert_state_dict
from weaktr_mmseg.models import WeakTrCAMSegmentor

DEFAULT_DIR = Path(__file__).parents[1] / 'data' / 'golden'
GOLDEN_DIR = Path(os.environ.get('WEAKTR_GOLDEN_DIR', DEFAULT_DIR))


class Golden:
    """Arrays of one golden file, read by name: ``golden['case0/input']``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with np.load(path, allow_pickle=False) as file:
            self.arrays = dict(file)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def tensor(self, name: str) -> torch.Tensor:
        """Return a copy of an array as a tensor."""
        return torch.from_numpy(np.array(self.arrays[name]))

    def tensors(self, folder: str) -> dict[str, torch.Tensor]:
        """Return the tensors whose names start with ``folder/``, by the rest of their names."""
        prefix = folder + '/'
        return {
            name[len(prefix) :]: self.tensor(name)
            for name in self.arrays
            if name.startswith(prefix)
        }

    def groups(self, prefix: str) -> list[str]:
        """Return the top folders that start with ``prefix``: ``['case0', 'case1']``."""
        tops = {name.split('/')[0] for name in self.arrays if '/' in name}
        return sorted(top for top in tops if top.startswith(prefix))

    @property
    def meta(self) -> dict[str, Any]:
        """The settings that the arrays were made with."""
        return json.loads(bytes(self.arrays['meta']))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise ``golden_file`` over the files of the module's pattern."""
    if 'golden_file' not in metafunc.fixturenames:
        return
    pattern = metafunc.module.GOLDEN_PATTERN
    paths = sorted(GOLDEN_DIR.glob(pattern))
    if not paths and GOLDEN_DIR == DEFAULT_DIR:
        raise pytest.UsageError(f'{GOLDEN_DIR}: no file matches {pattern}')
    ids = [path.stem for path in paths]
    metafunc.parametrize('golden_file', paths, ids=ids, scope='module')


@pytest.fixture(autouse=True)
def mmseg_scope() -> None:
    """Look up names in mmseg's registries, as a run from a config does."""
    init_default_scope('mmseg')


@pytest.fixture
def golden(golden_file: Path) -> Golden:
    """Arrays of one golden file."""
    return Golden(golden_file)


@pytest.fixture
def build_cam_model() -> Callable[..., WeakTrCAMSegmentor]:
    """Build a CAM network with the parameters of a golden file, loaded through the converter.

    It computes in float64: float32 differs between processors by more than the tolerance.
    """

    def build(golden: Golden, **backbone: Any) -> WeakTrCAMSegmentor:
        meta = golden.meta
        width, classes = meta['embed_dim'], meta['num_classes']
        arch = dict(
            embed_dims=width,
            num_layers=meta['depth'],
            num_heads=meta['num_heads'],
            feedforward_channels=4 * width,
        )
        fusion = dict(
            reduction=meta['reduction'],
            feature_reduction=meta['feat_reduction'],
            pooling=meta['pool'],
        )
        model = WeakTrCAMSegmentor(
            backbone=dict(
                type='WeakTrViT',
                num_classes=classes,
                arch=arch,
                img_size=meta['img_size'],
                patch_size=16,
                fusion=fusion,
                **backbone,
            ),
            cam_head=dict(type='WeakTrCAMHead', in_channels=width, num_classes=classes),
        )
        state, _ = convert_state_dict(golden.tensors('sd'))
        model.load_state_dict(state, strict=True)
        return model.double().eval()

    return build
