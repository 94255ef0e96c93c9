from __future__ import annotations

import os
import signal
import threading

import pytest
from mmengine.config import Config

from weaktr_mmseg.engine.signals import SignalWatch, WeakTrInterrupted, announced_signals


@pytest.mark.parametrize(('signum', 'code'), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_becomes_an_exit_code(signum, code):
    before = signal.getsignal(signum)
    with (
        pytest.raises(WeakTrInterrupted, match=f'^interrupted by {signum.name}$') as stop,
        SignalWatch(),
    ):
        signal.raise_signal(signum)
        pytest.fail('went on after the signal')
    assert stop.value.code == code
    assert signal.getsignal(signum) == before


def test_deferred_signal_is_noted_and_not_forgotten():
    steps = []
    with pytest.raises(WeakTrInterrupted), SignalWatch(deferred=True) as watch:
        signal.raise_signal(signal.SIGTERM)
        steps.append(watch.received)
    assert steps == [signal.SIGTERM]


def test_second_sigint_does_not_wait():
    with pytest.raises(WeakTrInterrupted), SignalWatch(deferred=True) as watch:
        signal.raise_signal(signal.SIGINT)
        assert watch.received == signal.SIGINT
        signal.raise_signal(signal.SIGINT)
        pytest.fail('waited')


def test_second_sigterm_waits():
    with pytest.raises(WeakTrInterrupted), SignalWatch(deferred=True) as watch:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert watch.received == signal.SIGTERM


def test_innermost_watch_decides_and_outer_one_comes_back():
    with pytest.raises(WeakTrInterrupted), SignalWatch() as outer:
        with pytest.raises(WeakTrInterrupted), SignalWatch(deferred=True) as inner:
            signal.raise_signal(signal.SIGTERM)
            assert (inner.received, outer.received) == (signal.SIGTERM, None)
        signal.raise_signal(signal.SIGTERM)
        pytest.fail('the outer watch did not come back')


def test_at_once_interrupts_a_deferring_watch():
    with pytest.raises(WeakTrInterrupted), SignalWatch(deferred=True) as watch, watch.at_once():
        signal.raise_signal(signal.SIGTERM)
        pytest.fail('waited')


def test_at_once_honours_what_was_noted_before():
    with pytest.raises(WeakTrInterrupted), SignalWatch(deferred=True) as watch:
        signal.raise_signal(signal.SIGTERM)
        with watch.at_once():
            pytest.fail('forgot the signal')


def test_framework_that_catches_everything_does_not_hide_the_signal(monkeypatch, capsys):
    def format_code(*args, **kwargs):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', format_code)
    with pytest.raises(WeakTrInterrupted, match='^interrupted by SIGTERM$'), announced_signals():
        Config(dict(a=1)).dump()
    assert capsys.readouterr().err == 'interrupted by SIGTERM; continue with --resume\n'


def test_error_after_a_deferred_signal_is_that_error():
    with pytest.raises(ValueError, match='disk'), SignalWatch(deferred=True):
        signal.raise_signal(signal.SIGTERM)
        raise ValueError('disk')


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
@pytest.mark.parametrize(('signum', 'code'), [(signal.SIGTERM, 143), (signal.SIGINT, 7)])
def test_forked_workers_leave_sigint_to_their_parent(signum, code):
    with SignalWatch():
        pid = os.fork()
        if pid == 0:
            signal.raise_signal(signum)
            os._exit(7)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == code


def test_other_threads_do_nothing():
    def work():
        with SignalWatch():
            handlers.append(signal.getsignal(signal.SIGTERM))

    handlers: list = []
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]


def test_announcement_is_one_line(capsys):
    with pytest.raises(WeakTrInterrupted), announced_signals():
        raise WeakTrInterrupted(signal.SIGTERM, 'a/interrupted.pth (epoch 1)')
    expected = 'interrupted by SIGTERM, saved a/interrupted.pth (epoch 1); continue with --resume\n'
    assert capsys.readouterr().err == expected
