"""The learning rates that the configs build are those of the authors' implementation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

import weaktr_mmseg  # noqa: F401

GOLDEN_PATTERN = 'schedules*.npz'
CONFIGS = Path(__file__).parents[2] / 'configs'
CAM_LEAF = 'weaktr_voc_cam.py'
RETRAIN_LEAVES = sorted(
    path.name
    for dataset in ('voc', 'coco')
    for path in CONFIGS.glob(f'weaktr_{dataset}*.py')
    if '_cam' not in path.stem and not path.stem.endswith('_tta')
)


class Network(nn.Module):
    """Stands for a segmentor: parameters of an encoder and of a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(1, 1, bias=False)
        self.decode_head = nn.Linear(1, 1, bias=False)


def step_through(leaf: str, epoch_length: int, tmp_path: Path) -> np.ndarray:
    """Train without data; return the rates of encoder and decoder, (epochs, iterations, 2)."""
    cfg = Config.fromfile(CONFIGS / leaf)
    cfg.optim_wrapper.type = 'OptimWrapper'  # mixed precision needs a GPU
    cfg.optim_wrapper.pop('loss_scale', None)
    runner = Runner(
        model=Network(),
        work_dir=str(tmp_path),
        train_dataloader=DataLoader(range(epoch_length)),
        train_cfg=dict(by_epoch=True, max_epochs=cfg.train_cfg.max_epochs),
        optim_wrapper=cfg.optim_wrapper,
        param_scheduler=cfg.param_scheduler,
        default_scope='mmseg',
        experiment_name=tmp_path.name,
    )
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    schedulers = runner.build_param_scheduler(runner.param_schedulers)
    rates = []
    for _ in range(runner.max_epochs):
        for _ in range(epoch_length):
            rates.append([group_rate(runner, name) for name in ('backbone', 'decode_head')])
            advance(schedulers, by_epoch=False)
        advance(schedulers, by_epoch=True)
    return np.array(rates).reshape(runner.max_epochs, epoch_length, 2)


def advance(schedulers: list, by_epoch: bool) -> None:
    """Step the schedulers of epochs or those of iterations, as mmengine's hook does."""
    for scheduler in schedulers:
        if scheduler.by_epoch == by_epoch:
            scheduler.step()


def group_rate(runner: Runner, name: str) -> float:
    """Return the learning rate of a part of the network."""
    parameter = getattr(runner.model, name).weight
    for group in runner.optim_wrapper.optimizer.param_groups:
        if any(member is parameter for member in group['params']):
            return group['lr']
    raise AssertionError(f'{name} is not optimised')


def test_cam_stage(golden, tmp_path):
    rates = step_through(CAM_LEAF, 2, tmp_path)

    expected = golden['cosine_epoch_lr']
    assert rates.shape[0] == len(expected)
    np.testing.assert_allclose(rates[..., 0], np.stack([expected] * 2, axis=1), rtol=1e-6)
    np.testing.assert_array_equal(rates[..., 0], rates[..., 1])


@pytest.mark.parametrize('leaf', RETRAIN_LEAVES)
def test_retraining(golden, leaf, tmp_path):
    expected = golden['poly_iter_lr_encoder_decoder']  # (iterations, 2)
    epochs = Config.fromfile(CONFIGS / leaf).train_cfg.max_epochs
    rates = step_through(leaf, len(expected) // epochs, tmp_path)
    np.testing.assert_allclose(rates.reshape(-1, 2), expected, rtol=1e-6)
