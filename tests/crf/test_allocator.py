from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from weaktr_mmseg.crf import DenseCRF, allocator, tune_allocator, unary_from_labels


@pytest.fixture
def calls(monkeypatch):
    """Settings that the C library is asked for."""
    calls = []
    library = SimpleNamespace(mallopt=lambda *setting: calls.append(setting) or 1)
    monkeypatch.setattr(allocator.ctypes, 'CDLL', lambda name: library)
    return calls


def test_asks_for_both_settings(calls):
    assert tune_allocator()
    assert calls == [(-3, 2**25), (-1, 2**28)]


def test_a_crf_changes_nothing_by_itself(calls):
    labels = np.eye(8, dtype=np.uint8)
    DenseCRF.from_preset('voc_cam')(np.zeros((8, 8, 3), np.uint8), unary_from_labels(labels, 2))
    assert not calls


def test_another_c_library(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, 'CDLL', lambda name: SimpleNamespace())
    assert not tune_allocator()
