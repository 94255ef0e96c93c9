from __future__ import annotations

import logging

import pytest

from weaktr_mmseg.engine.quiet_runner import ConsoleFilter


def shown(console, message, level=logging.INFO):
    return console.filter(logging.LogRecord('mmengine', level, '', 0, message, None, None))


@pytest.mark.parametrize(
    ('message', 'level', 'expected'),
    [
        ("WeakTr stage 'cam' starts", logging.INFO, True),
        ('Epoch(val) [2][3/3]    mIoU: 50.1', logging.INFO, True),
        ('Pipeline finished, x:\n  a  1\n  b  2\n  c  3', logging.INFO, True),
        ('Epoch(val) [1][2/2]    eta: 0:00:00  time: 0.3', logging.INFO, False),
        ('Exp name: cam_20260101_000000', logging.INFO, False),
        ('Config:\nmodel = dict(\n    type=1)\n', logging.INFO, False),
        ('', logging.INFO, False),
        ('The prefix is not set in metric class IoUMetric.', logging.WARNING, False),
        ('images/a.jpg: has no label', logging.WARNING, True),
        ('a\nb\nc\nd', logging.ERROR, True),
    ],
)
def test_what_belongs_on_a_console(message, level, expected):
    assert shown(ConsoleFilter(), message, level) is expected


def test_one_line_an_epoch():
    console = ConsoleFilter()
    lines = [f'Epoch(train)  [{epoch}][{i}/150]  lr: 1' for epoch in (1, 2) for i in (50, 100)]
    assert [shown(console, line) for line in lines] == [True, False, True, False]
