from __future__ import annotations

import pytest
import torch

from weaktr_mmseg.pipeline.resume import ResumableStages
from weaktr_mmseg.pipeline.run_state import RunState
from weaktr_mmseg.utils.errors import WeakTrInputError

INPUTS = dict(config=dict(lr=1), upstream={})


class Run:
    """Two stages in a folder; notes which ones work, and whether they go on."""

    def __init__(self, folder, resume=False, accept=False, fail=None, lr=1, version='a'):
        self.folder, self.fail, self.worked = folder, fail, []
        stages = ResumableStages(folder, resume, accept)
        self.results = [
            stages.run('cam', lambda: dict(config=dict(lr=lr), upstream={}), self.work('cam')),
            stages.run(
                'retrain',
                lambda: dict(config=dict(steps=2), upstream=dict(cam=version)),
                self.work('retrain'),
                lambda results: (folder / 'retrain/out.txt').exists(),
            ),
        ]
        (folder / 'summary.json').write_text('')

    def work(self, stage):
        def work(goes_on):
            (self.folder / stage).mkdir(exist_ok=True)
            (self.folder / stage / 'out.txt').write_text('new')
            self.worked.append((stage, goes_on))
            if self.fail == stage:
                raise RuntimeError('killed')
            return dict(made=stage)

        return work


def interrupt(folder, stage, **options):
    with pytest.raises(RuntimeError):
        Run(folder, fail=stage, **options)


def test_fresh_run(tmp_path):
    run = Run(tmp_path)
    assert run.worked == [('cam', False), ('retrain', False)]
    assert [result['made'] for result in run.results] == ['cam', 'retrain']
    assert set(run.results[0]) == {'made', 'seconds', 'inputs'}


def test_finished_stages_are_passed_over(tmp_path):
    first = Run(tmp_path)
    again = Run(tmp_path, resume=True)
    assert again.worked == []
    assert again.results == first.results


@pytest.mark.parametrize('stage', ['cam', 'retrain'])
def test_unfinished_stage_goes_on(tmp_path, stage):
    interrupt(tmp_path, stage)
    run = Run(tmp_path, resume=True)
    expected = [('cam', True), ('retrain', False)] if stage == 'cam' else [('retrain', True)]
    assert run.worked == expected


def test_resuming_nothing_starts(tmp_path):
    assert Run(tmp_path, resume=True).worked == [('cam', False), ('retrain', False)]


def test_missing_results_are_made_again(tmp_path):
    Run(tmp_path)
    (tmp_path / 'retrain/out.txt').unlink()
    assert Run(tmp_path, resume=True).worked == [('retrain', True)]
    assert (tmp_path / 'former_run_1/summary.json').exists()


def test_change_is_named_and_refused(tmp_path):
    Run(tmp_path)
    before = RunState.load(tmp_path).stages
    message = r"inputs of stage 'cam' changed .*config\.lr: 1 -> 2; .*--work-dir.*resume_changed=T"
    with pytest.raises(WeakTrInputError, match=message):
        Run(tmp_path, resume=True, lr=2)
    assert RunState.load(tmp_path).stages == before
    assert (tmp_path / 'summary.json').exists()


def test_accepted_change_starts_the_stage_anew_and_keeps_the_former(tmp_path):
    Run(tmp_path)
    (tmp_path / 'cam/out.txt').write_text('old')
    run = Run(tmp_path, resume=True, accept=True, lr=2)
    assert run.worked == [('cam', False), ('retrain', False)]
    assert (tmp_path / 'former_run_1/cam/out.txt').read_text() == 'old'
    assert (tmp_path / 'cam/out.txt').read_text() == 'new'


def test_stage_after_one_that_ran_anew_starts_anew_without_asking(tmp_path):
    interrupt(tmp_path, 'retrain')
    run = Run(tmp_path, resume=True, version='b')
    assert run.worked == [('retrain', False)]
    assert (tmp_path / 'former_run_1/retrain/out.txt').exists()


def test_unfinished_run_is_not_overwritten(tmp_path):
    interrupt(tmp_path, 'retrain')
    with pytest.raises(WeakTrInputError, match='unfinished run: continue it with --resume, or'):
        Run(tmp_path)


def test_run_without_anything_to_lose_starts_over(tmp_path):
    interrupt(tmp_path, 'cam')
    assert Run(tmp_path).worked == [('cam', False), ('retrain', False)]


def test_finished_run_is_moved_aside_whole(tmp_path):
    for number in (1, 2):
        Run(tmp_path)
        (tmp_path / 'cam/out.txt').write_text(f'run {number}')
    Run(tmp_path)
    for number in (1, 2):
        former = tmp_path / f'former_run_{number}'
        assert (former / 'cam/out.txt').read_text() == f'run {number}'
        names = {path.name for path in former.iterdir()}
        assert names == {'cam', 'retrain', 'state.json', 'summary.json'}


@pytest.mark.parametrize('finished', [False, True])
def test_files_of_unknown_origin_are_not_resumed(tmp_path, finished):
    (tmp_path / 'cam').mkdir()
    if finished:
        (tmp_path / 'summary.json').write_text('')
    with pytest.raises(WeakTrInputError, match=r'holds cam but no state\.json'):
        Run(tmp_path, resume=True)


def test_checkpoints_of_a_forgotten_stage_are_moved_aside(tmp_path):
    interrupt(tmp_path, 'retrain')
    torch.save({}, tmp_path / 'retrain/epoch_1.pth')
    interrupt(tmp_path, 'cam', resume=True, accept=True, lr=2)  # forgets what came after
    run = Run(tmp_path, resume=True, accept=True, lr=2, version='b')
    assert run.worked == [('cam', True), ('retrain', False)]
    assert not (tmp_path / 'retrain/epoch_1.pth').exists()
    assert list(tmp_path.glob('former_run_*/retrain/epoch_1.pth'))


def test_temporary_files_of_a_killed_run_are_removed(tmp_path):
    interrupt(tmp_path, 'cam')
    torn = tmp_path / 'cam' / '.epoch_1.pth.k3_x9abc.pth'
    torn.write_text('')
    hidden = tmp_path / 'cam' / '.own'
    hidden.write_text('')
    Run(tmp_path, resume=True)
    assert not torn.exists()
    assert hidden.exists()
