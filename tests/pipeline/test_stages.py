from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmengine.hooks import CheckpointHook, IterTimerHook

from weaktr_mmseg.engine.hooks import WeakTrCheckpointHook
from weaktr_mmseg.pipeline.stages import chosen_by


@pytest.mark.parametrize('hook', [CheckpointHook, WeakTrCheckpointHook])
@pytest.mark.parametrize(
    ('save_best', 'expected'),
    [
        ('cam/image_map', 'label-free'),
        ('mIoU', 'oracle'),
        ('cam/fused_miou', 'oracle'),
        ('auto', 'oracle'),
    ],
)
def test_the_score_says_what_chose_a_checkpoint(hook, save_best, expected):
    hooks = [IterTimerHook(), hook(interval=1, save_best=save_best, rule='greater')]
    assert chosen_by(SimpleNamespace(hooks=hooks)) == expected
