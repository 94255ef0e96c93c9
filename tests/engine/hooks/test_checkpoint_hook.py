from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from weaktr_mmseg.engine.checkpoint_files import ATOMIC
from weaktr_mmseg.engine.hooks import WeakTrCheckpointHook


class Runner(SimpleNamespace):
    """As much of a runner as the hook needs; notes what is there while it saves."""

    def save_checkpoint(self, out_dir, filename, backend_args, **kwargs):
        if self.full:
            raise OSError(28, 'No space left on device', filename)
        assert backend_args == ATOMIC
        self.present.append(sorted(path.name for path in self.folder.glob('*.pth')))
        (self.folder / filename).write_text(filename, encoding='utf-8')


@pytest.fixture
def runner(tmp_path, request):
    hub = MessageHub.get_instance(request.node.name)
    return Runner(work_dir=str(tmp_path), folder=tmp_path, message_hub=hub, present=[], full=False)


def build(runner, keep):
    hook = WeakTrCheckpointHook(interval=1, max_keep_ckpts=keep)
    runner.logger = SimpleNamespace(info=lambda text: None)
    hook.before_train(runner)
    return hook


def names(runner):
    return sorted(path.name for path in runner.folder.glob('*.pth'))


@pytest.mark.parametrize('keep', [1, 2, -1])
def test_outdated_checkpoints_go_after_the_new_one_is_there(runner, keep):
    hook = build(runner, keep)
    for step in (1, 2, 3):
        hook._save_checkpoint_with_step(runner, step, {})
    epochs = ['epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth']
    assert names(runner) == (epochs if keep < 0 else epochs[-keep:])
    before_last = epochs[:2] if keep < 0 else epochs[:2][-keep:]
    assert runner.present[-1] == before_last
    assert (runner.folder / 'last_checkpoint').read_text(encoding='utf-8') == str(
        runner.folder / 'epoch_3.pth'
    )


def test_saving_a_step_again_keeps_it(runner):
    hook = build(runner, 1)
    for step in (1, 2, 2):
        hook._save_checkpoint_with_step(runner, step, {})
    assert names(runner) == ['epoch_2.pth']
    assert runner.message_hub.get_info('keep_ckpt_ids') == [2]


def test_full_disk_leaves_the_former_checkpoint(runner):
    hook = build(runner, 1)
    hook._save_checkpoint_with_step(runner, 1, {})
    runner.full = True
    with pytest.raises(OSError, match='No space'):
        hook._save_checkpoint_with_step(runner, 2, {})
    assert names(runner) == ['epoch_1.pth']
    assert (runner.folder / 'last_checkpoint').read_text(encoding='utf-8') == str(
        runner.folder / 'epoch_1.pth'
    )


def test_checkpoint_of_an_interruption_goes_when_an_epoch_is_saved(runner):
    (runner.folder / 'interrupted.pth').write_text('', encoding='utf-8')
    build(runner, 1)._save_checkpoint_with_step(runner, 1, {})
    assert names(runner) == ['epoch_1.pth']


@pytest.mark.parametrize(
    ('rule', 'scores', 'best'),
    [
        ('greater', [0.5, 1.0, 1.0, 0.9], 'best_acc_epoch_3.pth'),
        ('less', [0.5, 0.2, 0.2, 0.3], 'best_acc_epoch_3.pth'),
        ('greater', [0.5, 0.7, 0.6, 0.4], 'best_acc_epoch_2.pth'),
    ],
)
def test_of_equal_scores_the_later_epoch_is_the_best(runner, rule, scores, best):
    hook = WeakTrCheckpointHook(interval=1, save_best='acc', rule=rule)
    runner.logger = SimpleNamespace(info=lambda text: None)
    hook.before_train(runner)
    for epoch, score in enumerate(scores, 1):
        runner.epoch = runner.iter = epoch
        hook.after_val_epoch(runner, dict(acc=score))
    assert runner.message_hub.get_info('best_ckpt').endswith(best)
    assert [name for name in names(runner) if 'best' in name] == [best]


def test_own_backend_is_kept():
    assert WeakTrCheckpointHook(backend_args=dict(backend='petrel')).backend_args == dict(
        backend='petrel'
    )


def test_interval_none_saves_with_the_validations(runner):
    hook = WeakTrCheckpointHook(interval=None)
    runner.logger = SimpleNamespace(info=lambda text: None)
    runner.train_loop = SimpleNamespace(val_interval=7)
    hook.before_train(runner)
    assert hook.interval == 7
