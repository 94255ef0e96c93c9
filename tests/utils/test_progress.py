from __future__ import annotations

import io
import sys

import pytest

from weaktr_mmseg.utils import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize('main', [True, False])
def test_gives_every_item_and_shows_in_the_main_process_alone(monkeypatch, capsys, main):
    monkeypatch.setattr(progress, 'is_main_process', lambda: main)
    assert list(progress.progress_bar(iter('abc'), total=3, desc='Reading')) == list('abc')
    assert ('Reading' in capsys.readouterr().err) == main


@pytest.mark.parametrize(('stream', 'quiet'), [(io.StringIO, True), (Terminal, False)])
def test_log_files_get_few_lines(monkeypatch, stream, quiet):
    monkeypatch.setattr(sys, 'stderr', stream())
    with progress.progress_bar(total=5) as bar:
        assert (bar.mininterval >= 5) == quiet
