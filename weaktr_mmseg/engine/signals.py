"""SIGTERM and SIGINT: leave at a point from which the run can resume."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.dist import is_main_process

WATCHED = (signal.SIGTERM, signal.SIGINT)


class WeakTrInterrupted(SystemExit):
    """Ends the process after a signal, with the exit code that shells use: 128 + its number.

    Args:
        signum: The signal.
        saved: What was saved, for the message; None if there was nothing to save.
    """

    def __init__(self, signum: int, saved: str | None = None) -> None:
        super().__init__(128 + signum)
        self.signum = signum
        self.saved = saved

    def __str__(self) -> str:
        text = f'interrupted by {signal.Signals(self.signum).name}'
        return f'{text}, saved {self.saved}' if self.saved else text


class SignalWatch:
    """Context manager that turns the watched signals into :class:`WeakTrInterrupted`.

    Watches nest; the innermost one decides. In threads other than the main one, where Python
    delivers no signal, it does nothing. Processes forked meanwhile (workers of data loaders) end
    silently on SIGTERM and leave SIGINT, which a terminal sends to all, to their parent.

    Args:
        deferred: Only note a signal in :attr:`received`, so that the owner leaves when it is
            ready. A second SIGINT does not wait.
    """

    def __init__(self, deferred: bool = False) -> None:
        self.deferred = deferred
        self.received: int | None = None
        self._left = False
        self._previous: dict[int, Any] = {}
        self._pid = os.getpid()

    def __enter__(self) -> SignalWatch:
        self._pid = os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in WATCHED}
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: Any) -> None:
        if os.getpid() == self._pid:
            for number, handler in self._previous.items():
                signal.signal(number, handler)
        self._previous = {}
        if self.received is None or (kind and issubclass(kind, WeakTrInterrupted)):
            return
        # Noted too late for the owner, or a framework caught the exception: mmengine does, while it
        # formats a config, and raises another one.
        if kind is None or self._left:
            raise WeakTrInterrupted(self.received)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it, a signal leaves at once; so does one that was noted before."""
        if self.received is not None:
            raise WeakTrInterrupted(self.received)
        before, self.deferred = self.deferred, False
        try:
            yield
        finally:
            self.deferred = before

    def _handle(self, signum: int, frame: Any) -> None:
        if os.getpid() != self._pid:
            if signum == signal.SIGTERM:
                os._exit(128 + signum)
            return
        again = self.received == signum == signal.SIGINT
        self.received = signum
        if again or not self.deferred:
            self._left = True
            raise WeakTrInterrupted(signum)


@contextmanager
def announced_signals() -> Iterator[None]:
    """A :class:`SignalWatch` that says in one line what a signal ended, and how to resume.

    Raises:
        WeakTrInterrupted: After a signal.
    """
    try:
        with SignalWatch():
            yield
    except WeakTrInterrupted as stop:
        if is_main_process():
            sys.stdout.flush()  # what was printed before comes first, in a file of both streams too
            print(f'{stop}; continue with --resume', file=sys.stderr)
        raise
