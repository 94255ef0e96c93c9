"""A training that diverges stops, names the images and keeps the last good checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from torch.utils.data import Dataset

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.utils.errors import WeakTrDivergenceError


class Images(Dataset):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        sample = SegDataSample(metainfo=dict(img_path=f'images/{index}.jpg'))
        return dict(inputs=torch.tensor([float(index)]), data_samples=sample)


class Model(BaseModel):
    """A weight whose loss, or gradient alone, is no number from some step on."""

    def __init__(self, bad_step: int, bad_part: str) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.bad_step, self.bad_part, self.step = bad_step, bad_part, 0

    def forward(self, inputs, data_samples=None, mode='tensor'):
        loss = (self.weight * torch.stack(inputs)).mean()
        if self.step == self.bad_step and self.bad_part == 'gradient':
            loss = loss + (self.weight - self.weight.detach()).abs().sqrt().sum()
        elif self.step == self.bad_step:
            loss = loss * float(self.bad_part)
        self.step += 1
        return dict(loss=loss)


def train(work_dir: Path, bad_step: int, bad_part: str) -> None:
    Runner(
        Model(bad_step, bad_part),
        str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            dataset=Images(),
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=3),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        default_hooks=dict(
            checkpoint=dict(type='WeakTrCheckpointHook', interval=1, max_keep_ckpts=1),
            finite=dict(type='WeakTrFiniteHook'),
        ),
        default_scope='mmseg',
        experiment_name=work_dir.name,
        log_level='ERROR',
    ).train()


@pytest.mark.parametrize('value', ['nan', 'inf'])
def test_names_the_images_and_the_last_good_checkpoint(tmp_path, value):
    with pytest.raises(WeakTrDivergenceError) as caught:
        train(tmp_path, bad_step=5, bad_part=value)
    good = tmp_path / 'epoch_1.pth'
    assert str(caught.value) == (
        f'epoch 2, iteration 2: the loss is {value}; images of the batch: images/2.jpg, '
        f'images/3.jpg; the last good checkpoint is {good}'
    )
    assert [path.name for path in tmp_path.glob('*.pth')] == [good.name]
    assert torch.load(good, weights_only=False)['state_dict']['weight'].isfinite().all()


def test_before_the_first_checkpoint(tmp_path):
    with pytest.raises(WeakTrDivergenceError, match='iteration 1: .*; there is no checkpoint yet'):
        train(tmp_path, bad_step=0, bad_part='nan')


def test_parameters_that_are_no_numbers_are_not_saved(tmp_path):
    """The last step of an epoch spoils the weights while its loss is still a number."""
    message = r'epoch 2: the parameter weight is not finite .* good checkpoint is .*epoch_1\.pth'
    with pytest.raises(WeakTrDivergenceError, match=message):
        train(tmp_path, bad_step=7, bad_part='gradient')
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_a_sound_training_is_left_alone(tmp_path):
    train(tmp_path, bad_step=-1, bad_part='nan')
    assert (tmp_path / 'epoch_3.pth').is_file()
