from __future__ import annotations

import json
import time

import pytest
import torch
from mmengine.config import Config

from weaktr_mmseg.pipeline.resume import ResumableStages
from weaktr_mmseg.pipeline.run_state import RunState
from weaktr_mmseg.pipeline.stage import Run, Stage
from weaktr_mmseg.utils.errors import WeakTrInputError

INPUTS = dict(config=dict(lr=1), upstream={})


class Work:
    """Two stages in a folder; notes which ones work, and whether they resume."""

    def __init__(self, folder, resume=False, accept=False, fail=None, lr=1, version='a'):
        self.folder, self.fail, self.worked = folder, fail, []
        table = [
            Stage(
                'cam',
                'CAMs',
                'cam',
                inputs=lambda run: dict(config=dict(lr=lr), upstream={}),
                run=self.work('cam'),
            ),
            Stage(
                'retrain',
                'Retraining',
                'retrain',
                inputs=lambda run: dict(config=dict(steps=2), upstream=dict(cam=version)),
                run=self.work('retrain'),
                intact=lambda run, results: (run.work_dir / 'retrain/out.txt').exists(),
            ),
        ]
        resumable = ResumableStages(Run(Config(), folder), table, resume, accept)
        self.results = [resumable.run(stage) for stage in table]
        (folder / 'summary.json').write_text('', encoding='utf-8')

    def work(self, stage):
        def work(run, resumes):
            (self.folder / stage).mkdir(exist_ok=True)
            (self.folder / stage / 'out.txt').write_text('new', encoding='utf-8')
            self.worked.append((stage, resumes))
            if self.fail == stage:
                raise RuntimeError('killed')
            return dict(made=stage)

        return work


def interrupt(folder, stage, **options):
    with pytest.raises(RuntimeError):
        Work(folder, fail=stage, **options)


def test_fresh_run(tmp_path):
    run = Work(tmp_path)
    assert run.worked == [('cam', False), ('retrain', False)]
    assert [result['made'] for result in run.results] == ['cam', 'retrain']
    assert set(run.results[0]) == {'made', 'seconds', 'inputs'}


def test_stages_are_timed(tmp_path, monkeypatch):
    moments = iter([100.0, 103.26, 200.0, 200.5])
    monkeypatch.setattr(time, 'perf_counter', lambda: next(moments))
    assert [result['seconds'] for result in Work(tmp_path).results] == [3.3, 0.5]


def test_finished_stages_are_passed_over(tmp_path):
    first = Work(tmp_path)
    again = Work(tmp_path, resume=True)
    assert again.worked == []
    assert again.results == first.results


@pytest.mark.parametrize('stage', ['cam', 'retrain'])
def test_unfinished_stage_goes_on(tmp_path, stage):
    interrupt(tmp_path, stage)
    run = Work(tmp_path, resume=True)
    expected = [('cam', True), ('retrain', False)] if stage == 'cam' else [('retrain', True)]
    assert run.worked == expected


def test_resuming_nothing_starts(tmp_path):
    assert Work(tmp_path, resume=True).worked == [('cam', False), ('retrain', False)]


def test_missing_results_are_made_again(tmp_path):
    Work(tmp_path)
    (tmp_path / 'retrain/out.txt').unlink()
    assert Work(tmp_path, resume=True).worked == [('retrain', True)]
    assert (tmp_path / 'former_run_1/summary.json').exists()


def test_change_is_named_and_refused(tmp_path):
    Work(tmp_path)
    before = RunState.load(tmp_path).stages
    message = r"inputs of stage 'cam' changed .*config\.lr: 1 -> 2; .*--work-dir.*resume_changed=T"
    with pytest.raises(WeakTrInputError, match=message):
        Work(tmp_path, resume=True, lr=2)
    assert RunState.load(tmp_path).stages == before
    assert (tmp_path / 'summary.json').exists()


def test_accepted_change_starts_the_stage_anew_and_keeps_the_former(tmp_path):
    Work(tmp_path)
    (tmp_path / 'cam/out.txt').write_text('old', encoding='utf-8')
    run = Work(tmp_path, resume=True, accept=True, lr=2)
    assert run.worked == [('cam', False), ('retrain', False)]
    assert (tmp_path / 'former_run_1/cam/out.txt').read_text(encoding='utf-8') == 'old'
    assert (tmp_path / 'cam/out.txt').read_text(encoding='utf-8') == 'new'


def test_stage_after_one_that_ran_anew_starts_anew_without_asking(tmp_path):
    interrupt(tmp_path, 'retrain')
    run = Work(tmp_path, resume=True, version='b')
    assert run.worked == [('retrain', False)]
    assert (tmp_path / 'former_run_1/retrain/out.txt').exists()


def test_unfinished_run_is_not_overwritten(tmp_path):
    interrupt(tmp_path, 'retrain')
    with pytest.raises(WeakTrInputError, match='unfinished run: continue it with --resume, or'):
        Work(tmp_path)


def test_run_without_anything_to_lose_starts_over(tmp_path):
    interrupt(tmp_path, 'cam')
    assert Work(tmp_path).worked == [('cam', False), ('retrain', False)]


def test_finished_run_is_moved_aside_whole(tmp_path):
    for number in (1, 2):
        Work(tmp_path)
        (tmp_path / 'cam/out.txt').write_text(f'run {number}', encoding='utf-8')
    Work(tmp_path)
    for number in (1, 2):
        former = tmp_path / f'former_run_{number}'
        assert (former / 'cam/out.txt').read_text(encoding='utf-8') == f'run {number}'
        names = {path.name for path in former.iterdir()}
        assert names == {'cam', 'retrain', 'state.json', 'summary.json'}


@pytest.mark.parametrize('finished', [False, True])
def test_files_of_unknown_origin_are_not_resumed(tmp_path, finished):
    (tmp_path / 'cam').mkdir()
    if finished:
        (tmp_path / 'summary.json').write_text('', encoding='utf-8')
    with pytest.raises(WeakTrInputError, match=r'holds cam but no state\.json'):
        Work(tmp_path, resume=True)


def test_checkpoints_of_a_forgotten_stage_are_moved_aside(tmp_path):
    interrupt(tmp_path, 'retrain')
    torch.save({}, tmp_path / 'retrain/epoch_1.pth')
    interrupt(tmp_path, 'cam', resume=True, accept=True, lr=2)  # forgets what came after
    run = Work(tmp_path, resume=True, accept=True, lr=2, version='b')
    assert run.worked == [('cam', True), ('retrain', False)]
    assert not (tmp_path / 'retrain/epoch_1.pth').exists()
    assert list(tmp_path.glob('former_run_*/retrain/epoch_1.pth'))


def test_temporary_files_of_a_killed_run_are_removed(tmp_path):
    interrupt(tmp_path, 'cam')
    torn = tmp_path / 'cam' / '.epoch_1.pth.k3_x9abc.pth'
    torn.write_text('', encoding='utf-8')
    hidden = tmp_path / 'cam' / '.own'
    hidden.write_text('', encoding='utf-8')
    Work(tmp_path, resume=True)
    assert not torn.exists()
    assert hidden.exists()


@pytest.mark.parametrize('resume', [True, False])
def test_unfinished_run_of_an_earlier_version_is_refused(tmp_path, resume):
    interrupt(tmp_path, 'retrain')
    make_old(tmp_path)
    with pytest.raises(WeakTrInputError, match='begun by another version of weaktr_mmseg; finish'):
        Work(tmp_path, resume=resume)


def test_finished_run_of_an_earlier_version_makes_way(tmp_path):
    Work(tmp_path)
    make_old(tmp_path)
    assert Work(tmp_path).worked == [('cam', False), ('retrain', False)]
    assert (
        json.loads((tmp_path / 'former_run_1/state.json').read_text(encoding='utf-8'))['version']
        == 1
    )


def make_old(folder):
    """Gives the state the version that it had when ``batch_size`` meant that of all processes."""
    path = folder / 'state.json'
    path.write_text(
        json.dumps(dict(json.loads(path.read_text(encoding='utf-8')), version=1)), encoding='utf-8'
    )
