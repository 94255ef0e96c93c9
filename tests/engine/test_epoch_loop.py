"""Training that is left at any iteration and resumed equals one that was not."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.engine.checkpoint_files import INTERRUPTED, latest_checkpoint
from weaktr_mmseg.engine.signals import WeakTrInterrupted
from weaktr_mmseg.utils.errors import WeakTrInputError

EPOCHS, BATCHES = 3, 3


class Noise(Dataset):
    """Samples that depend on every generator."""

    metainfo = dict(classes=('a',))

    def __len__(self):
        return 2 * BATCHES

    def __getitem__(self, index):
        drawn = torch.rand(4) * random.random() * np.random.rand()
        return dict(inputs=drawn + index)


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5))
        self.head = torch.nn.Linear(8, 1)

    def forward(self, inputs, mode='tensor'):
        inputs = torch.stack(inputs)
        value = self.head(self.body(inputs)).mean()
        return dict(loss=(value - 1) ** 2) if mode == 'loss' else [dict(value=value.item())]


class Score(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(data_samples[0]['value'])

    def compute_metrics(self, results):
        return dict(acc=-sum(results))


class SignalAt(Hook):
    """Sends a signal at a moment of training or validation."""

    priority = 'VERY_HIGH'

    def __init__(self, event, number):
        self.event, self.number = event, number

    def after_train_iter(self, runner, **kwargs):
        self._signal_at('train', runner.iter + 1)

    def before_val(self, runner):
        self._signal_at('val', runner.epoch)

    def after_train_epoch(self, runner):
        self._signal_at('epoch', runner.epoch + 1)

    def _signal_at(self, event, number):
        if (event, number) == (self.event, self.number):
            signal.raise_signal(signal.SIGTERM)


def build(folder, resume=False, hooks=(), workers=0, accumulate=1, checkpoint=None, batch=2):
    torch.manual_seed(0)
    loader = dict(dataset=Noise(), batch_size=batch, num_workers=workers)
    load_from = latest_checkpoint(folder) if resume else None
    return Runner(
        model=Model(),
        work_dir=str(folder),
        train_dataloader=dict(
            loader,
            sampler=dict(type='DefaultSampler', shuffle=True),
            persistent_workers=workers > 0,
        ),
        train_cfg=dict(type='WeakTrEpochLoop', max_epochs=EPOCHS),
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=0.05),
            accumulative_counts=accumulate,
        ),
        param_scheduler=[dict(type='PolyLR', end=EPOCHS, convert_to_iter_based=True)],
        val_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=False)),
        val_cfg=dict(),
        val_evaluator=[Score()],
        default_hooks=dict(
            logger=None,
            checkpoint=checkpoint
            or dict(type='WeakTrCheckpointHook', interval=1, max_keep_ckpts=1, save_best='acc'),
        ),
        custom_hooks=list(hooks),
        randomness=dict(seed=0),
        resume=load_from is not None,
        load_from=load_from,
        default_scope='mmseg',
        experiment_name=f'{folder.name}_{resume}_{len(hooks)}',
        log_level='ERROR',
    )


def outcome(runner):
    """Weights, optimizer and best score at the end of a training."""
    optimizer = runner.optim_wrapper.state_dict()['state']
    return (
        {name: value.tolist() for name, value in runner.model.state_dict().items()},
        [{key: value.tolist() for key, value in state.items()} for state in optimizer.values()],
        runner.optim_wrapper.get_lr()['lr'],
        runner.message_hub.get_info('best_score'),
        runner.message_hub.get_info('best_ckpt').rpartition('/')[2],
    )


def train(folder, **options):
    runner = build(folder, **options)
    runner.train()
    return outcome(runner)


@pytest.fixture(scope='module', params=[(0, 1), (2, 1), (0, 2)], ids=str)
def uninterrupted(request, tmp_path_factory):
    """Options of a training, and what it ends with."""
    options = dict(zip(('workers', 'accumulate'), request.param))
    return options, train(tmp_path_factory.mktemp('uninterrupted'), **options)


def test_training_is_reproducible_and_random(uninterrupted, tmp_path):
    options, expected = uninterrupted
    assert train(tmp_path / 'again', **options) == expected
    assert train(tmp_path / 'other', **dict(options, batch=3)) != expected


@pytest.mark.parametrize('iteration', range(1, EPOCHS * BATCHES + 1))
def test_left_after_an_iteration(uninterrupted, tmp_path, iteration):
    options, expected = uninterrupted
    with pytest.raises(WeakTrInterrupted, match=r'saved .*interrupted\.pth \(epoch \d, iter'):
        train(tmp_path, hooks=[SignalAt('train', iteration)], **options)
    assert (tmp_path / INTERRUPTED).is_file()
    assert (tmp_path / 'last_checkpoint').read_text(encoding='utf-8') == str(tmp_path / INTERRUPTED)
    assert train(tmp_path, resume=True, **options) == expected
    assert not (tmp_path / INTERRUPTED).exists()


@pytest.mark.parametrize('epoch', range(1, EPOCHS + 1))
@pytest.mark.parametrize('event', ['val', 'epoch'])
def test_left_in_or_before_a_validation(uninterrupted, tmp_path, event, epoch):
    options, expected = uninterrupted
    with pytest.raises(WeakTrInterrupted, match='^interrupted by SIGTERM$'):
        train(tmp_path, hooks=[SignalAt(event, epoch)], **options)
    assert not (tmp_path / INTERRUPTED).exists()
    assert train(tmp_path, resume=True, **options) == expected


class SignalAll(SignalAt):
    """Sends SIGTERM from another process to this one and its workers, as Slurm does."""

    def _signal_at(self, event, number):
        if (event, number) == (self.event, self.number):
            workers = [str(worker.pid) for worker in multiprocessing.active_children()]
            assert len(workers) == 2
            subprocess.run(['kill', '-TERM', *workers], check=True)
            time.sleep(0.2)  # for the workers to end, if they do
            subprocess.run(['kill', '-TERM', str(os.getpid())], check=True)


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs signals')
def test_signal_that_all_processes_get(tmp_path):
    with pytest.raises(WeakTrInterrupted, match=r'saved .*interrupted\.pth \(epoch 1, iteration 2'):
        train(tmp_path, hooks=[SignalAll('train', 2)], workers=2)
    assert not multiprocessing.active_children()


class Drawn(Hook):
    """Notes the random part of every sample, and a number that an iteration would draw."""

    def __init__(self):
        self.samples, self.numbers = [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.samples += [float(value) for item in data_batch['inputs'] for value in item % 1]
        self.numbers.append(torch.rand(()).item())


@pytest.mark.parametrize('workers', [0, 2])
def test_no_random_number_repeats(tmp_path, workers):
    """mmengine's workers draw alike in every epoch, which repeats the augmentations."""
    drawn = Drawn()
    train(tmp_path, hooks=[drawn], workers=workers)
    assert len(drawn.numbers) == EPOCHS * BATCHES
    assert len(drawn.samples) == 4 * 2 * EPOCHS * BATCHES
    assert len(set(drawn.numbers)) == len(drawn.numbers)
    assert len(set(drawn.samples)) == len(drawn.samples)


def test_validation_without_a_checkpoint_is_not_left(tmp_path):
    rare = dict(type='WeakTrCheckpointHook', interval=3, save_best='acc')
    expected = train(tmp_path / 'a', checkpoint=rare)
    with pytest.raises(WeakTrInterrupted, match='epoch 2, iteration 1 of 3'):
        train(tmp_path / 'b', checkpoint=rare, hooks=[SignalAt('val', 1)])
    assert train(tmp_path / 'b', checkpoint=rare, resume=True) == expected


def test_other_division_of_the_epoch_is_refused(tmp_path):
    with pytest.raises(WeakTrInterrupted):
        train(tmp_path, hooks=[SignalAt('train', 1)])
    with pytest.raises(WeakTrInputError, match="'batches': 3}: expected the same now, got .* 2}"):
        train(tmp_path, resume=True, batch=3)
