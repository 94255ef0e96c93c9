"""A pipeline that is killed anywhere and resumed equals one that was not."""

from __future__ import annotations

import os
import random
import signal
import time
from fnmatch import fnmatch

import pytest

pytest.importorskip('fcntl')
from pipeline_process import Pipeline, Stop

KILL_POINTS = [
    # CAM training
    Stop('write state.json', 1, 'torn'),
    Stop('wrote state.json', 1),
    Stop('train cam', 1),
    Stop('write cam/epoch_1.pth', 1, 'torn'),
    Stop('wrote cam/epoch_1.pth', 1),
    Stop('write cam/last_checkpoint', 1, 'torn'),
    Stop('val cam', 1),
    Stop('train cam', 3),
    Stop('write cam/epoch_2.pth', 1, 'torn'),
    Stop('wrote cam/epoch_2.pth', 1),
    # between two stages
    Stop('write state.json', 2, 'torn'),
    Stop('wrote state.json', 2),
    # maps
    Stop('write pseudo_labels/cams/*.npz', 2, 'torn'),
    Stop('test pseudo_labels', 1),
    Stop('wrote pseudo_labels/cams/*.npz', 7),
    # masks
    Stop('write pseudo_labels/masks/*.png', 1, 'torn'),
    Stop('wrote pseudo_labels/masks/*.png', 5),
    Stop('test pseudo_labels', 3),  # the other split is scored
    Stop('write state.json', 4, 'torn'),
    # retraining
    Stop('write retrain/initial_vit.pth', 1, 'torn'),
    Stop('train retrain', 1),
    Stop('write retrain/epoch_1.pth', 1, 'torn'),
    Stop('val retrain', 1),
    Stop('write retrain/best_mIoU_epoch_1.pth', 1, 'torn'),
    Stop('wrote retrain/best_mIoU_epoch_1.pth', 1),
    Stop('train retrain', 3),
    Stop('wrote retrain/epoch_2.pth', 1),
    Stop('val retrain', 2),
    # evaluation and summary
    Stop('test retrain', 1),
    Stop('write summary.json', 1, 'torn'),
    Stop('wrote summary.json', 1),
]
RANDOM_TIMES = 6


def _name(stop: Stop) -> str:
    return f'{stop.event}-{stop.count}'.replace(' ', '-').replace('*', 'any')


@pytest.fixture(scope='session')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('kill')


@pytest.fixture(scope='session')
def uninterrupted(folder):
    """A pipeline that ran without interruption, its results and the seconds that it took."""
    pipeline = Pipeline(folder / 'uninterrupted', folder / 'scenes')
    assert pipeline.run() == 0, pipeline.output[-2000:]  # composes the scenes
    again = Pipeline(folder / 'again', folder / 'scenes')
    start = time.perf_counter()
    assert again.run() == 0
    seconds = time.perf_counter() - start
    assert again.results() == pipeline.results(), 'the pipeline itself is not deterministic'
    return pipeline, pipeline.results(), seconds


@pytest.fixture
def pipeline(folder, tmp_path):
    return Pipeline(tmp_path, folder / 'scenes')


def assert_resumes_to(pipeline: Pipeline, expected: dict) -> None:
    assert pipeline.run(resume=True) == 0, pipeline.output[-2000:]
    found = pipeline.results()
    for key, value in expected.items():
        assert found[key] == value, key
    assert pipeline.leftovers() == []


@pytest.mark.parametrize('stop', KILL_POINTS, ids=_name)
def test_killed_pipeline_resumes_to_the_same_result(stop, uninterrupted, pipeline):
    _, expected, _ = uninterrupted
    assert pipeline.run(stop=stop) == -signal.SIGKILL, pipeline.output[-2000:]
    assert_resumes_to(pipeline, expected)


@pytest.mark.parametrize('seed', range(RANDOM_TIMES))
def test_pipeline_killed_at_random_times_resumes_to_the_same_result(seed, uninterrupted, pipeline):
    _, expected, seconds = uninterrupted
    if seed % 2:
        pipeline.cfg.pseudo_labels.workers = 1
    process = pipeline.start()
    process.join(random.Random(seed).uniform(0.05, 0.95) * seconds)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert_resumes_to(pipeline, expected)


def test_pipeline_killed_again_and_again_resumes_to_the_same_result(uninterrupted, pipeline):
    _, expected, _ = uninterrupted
    points = ('train cam', 'wrote pseudo_labels/masks/*.png', 'train retrain', 'test retrain')
    for number, event in enumerate(points):
        assert pipeline.run(resume=number > 0, stop=Stop(event, 2 - number // 3)) == -signal.SIGKILL
    assert_resumes_to(pipeline, expected)


def test_finished_pipeline_is_left_alone(uninterrupted):
    pipeline, expected, _ = uninterrupted
    before = {p: p.stat().st_mtime_ns for p in pipeline.work_dir.glob('*/**/*') if p.is_file()}
    assert_resumes_to(pipeline, expected)
    after = {p: p.stat().st_mtime_ns for p in pipeline.work_dir.glob('*/**/*') if p.is_file()}
    assert after == before
    assert not [event for event in pipeline.events if event.startswith(('train', 'val', 'test'))]


@pytest.mark.parametrize(
    ('stop', 'code', 'saved'),
    [
        (Stop('train cam', 1, 'term'), 143, 'cam/interrupted.pth (epoch 1, iteration 1 of 2)'),
        (Stop('train cam', 4, 'int'), 130, 'cam/interrupted.pth (epoch 2, iteration 2 of 2)'),
        (Stop('val cam', 1, 'term'), 143, None),
        (Stop('wrote pseudo_labels/masks/*.png', 3, 'int'), 130, None),
        (Stop('train retrain', 3, 'term'), 143, 'retrain/interrupted.pth'),
        (Stop('test retrain', 1, 'term'), 143, None),
    ],
    ids=lambda value: f'{value.event}-{value.how}' if isinstance(value, Stop) else '',
)
def test_signal_saves_and_leaves(stop, code, saved, uninterrupted, pipeline):
    _, expected, _ = uninterrupted
    assert pipeline.run(stop=stop) == code, pipeline.output[-2000:]
    message = pipeline.output.strip().splitlines()[-1]
    assert message.startswith(f'interrupted by SIG{stop.how.upper()}')
    assert message.endswith('continue with --resume')
    assert (saved or '') in message
    assert ('interrupted.pth' in message) == (saved is not None)
    assert 'Traceback' not in pipeline.output
    assert pipeline.leftovers() == []
    assert_resumes_to(pipeline, expected)
    resumed = pipeline.output
    if saved:
        assert 'interrupted.pth' in resumed


@pytest.mark.parametrize(
    ('stop', 'file'),
    [
        (Stop('wrote cam/last_checkpoint', 1, 'full'), 'cam/epoch_2.pth'),
        (Stop('wrote state.json', 4, 'full'), 'retrain/initial_vit.pth'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_full_disk_is_named_and_leaves_former_files(stop, file, uninterrupted, pipeline):
    _, expected, _ = uninterrupted
    assert pipeline.run(stop=stop) == 2, pipeline.output[-2000:]
    message = pipeline.output.strip().splitlines()[-1]
    assert message.startswith(f'error: {pipeline.work_dir / file}: File too large; ')
    assert 'continue with --resume' in message
    assert pipeline.leftovers() == []
    assert not (pipeline.work_dir / file).exists()
    former = {path.name for path in (pipeline.work_dir / 'cam').glob('*.pth')}
    assert former == ({'epoch_1.pth'} if file.startswith('cam') else {'epoch_2.pth'})
    assert_resumes_to(pipeline, expected)


def test_second_run_of_a_folder_is_refused(uninterrupted, pipeline):
    first = pipeline.start(stop=Stop('train cam', 1, 'stop'))
    while not (pipeline.work_dir / 'state.json').exists():
        time.sleep(0.05)
    second = Pipeline(pipeline.folder / 'second', pipeline.folder)
    second.cfg = pipeline.cfg
    code = second.run(resume=True)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    assert code == 2
    message = second.output.strip().splitlines()[-1]
    assert fnmatch(message, f'error: *run.lock: in use by process {first.pid} on * since *')


def test_every_stage_has_kill_points():
    stages = [stop.event for stop in KILL_POINTS]
    for words in (('cam',), ('pseudo_labels/cams',), ('masks',), ('retrain',), ('test retrain',)):
        assert any(word in event for word in words for event in stages)
    assert len(KILL_POINTS) >= 20
