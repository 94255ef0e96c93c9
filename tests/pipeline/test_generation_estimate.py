"""What is said about the disk before all maps are predicted."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from weaktr_mmseg.pipeline import generation_estimate
from weaktr_mmseg.pipeline.generation_estimate import MASK_BYTES, GenerationEstimate
from weaktr_mmseg.utils.errors import WeakTrInputError


def run(folder, monkeypatch, free, batches=5):
    """Three batches of two images with files of 1 and 3 MB; what was logged."""
    logged = []
    monkeypatch.setattr(generation_estimate, 'print_log', lambda text, **_: logged.append(text))
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: SimpleNamespace(free=free))
    runner = SimpleNamespace(test_dataloader=range(batches))
    hook = GenerationEstimate(folder, pending=10, images=100)
    hook.before_test_epoch(runner)
    for batch in range(batches):
        samples = [SimpleNamespace(sample_id=f'sub/{batch}_{number}') for number in range(2)]
        for number, sample in enumerate(samples):
            file = folder / f'{sample.sample_id}.npz'
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(bytes(1_000_000 + 2_000_000 * number))
        hook.after_test_iter(runner, batch, outputs=samples)
    hook.after_test_epoch(runner)
    return logged


NEEDED = 10 * 2_000_000 + 100 * MASK_BYTES


@pytest.mark.parametrize(('batches', 'measured'), [(5, 6), (2, 4)])
def test_says_once_what_is_needed_and_free(tmp_path, monkeypatch, batches, measured):
    assert run(tmp_path, monkeypatch, NEEDED + 1, batches) == [
        f'Pseudo labels of 100 images, 10 without CAMs; estimate from {measured}: '
        f'20.8 MB of 20.8 MB free in {tmp_path}'
    ]


def test_too_small_a_disk_is_said_before_it_is_full(tmp_path, monkeypatch):
    with pytest.raises(WeakTrInputError, match=r'need about 20\.8 MB, 5\.0 MB are free; make room'):
        run(tmp_path, monkeypatch, 5_000_000)
    assert not (tmp_path / 'sub/3_0.npz').exists()
