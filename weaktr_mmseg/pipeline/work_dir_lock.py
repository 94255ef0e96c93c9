"""One run at a time in a folder."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.dist import is_main_process

from ..engine.main_process import on_main_process
from ..utils.errors import WeakTrInputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = 'run.lock'


class WorkDirLock:
    """Context manager that holds ``folder/run.lock`` while a run writes below ``folder``.

    The file says who holds it: host, process id, the kernel's start time of the process, and when.
    A lock whose process is gone is taken over; whether a process lives can only be seen on its own
    host, so a lock of another host is respected for ever. Of the processes of a distributed run the
    main one holds it for all.

    Args:
        folder: The folder; made if missing.

    Raises:
        WeakTrInputError: On entry, if another process holds the lock.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / LOCK_FILE

    def __enter__(self) -> WorkDirLock:
        on_main_process(self._acquire)
        return self

    def __exit__(self, *exception: object) -> None:
        if is_main_process():
            self.path.unlink(missing_ok=True)

    def _acquire(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path.parent):
            self._refuse_if_held()
            self.path.unlink(missing_ok=True)
            self._create()

    def _refuse_if_held(self) -> None:
        try:
            holder = json.loads(self.path.read_text(encoding='utf-8'))
            host, pid, since = holder['host'], int(holder['pid']), holder['since']
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:
            raise WeakTrInputError(
                f'{self.path}: expected a lock of this project, could not read it; '
                'remove it if no run uses this folder'
            ) from error
        if host == socket.gethostname():
            if not _is_running(pid, holder.get('started')):
                return
            hint = 'wait for it, or choose another --work-dir'
        else:
            hint = 'choose another --work-dir, or remove the file if that process has ended'
        raise WeakTrInputError(
            f'{self.path}: in use by process {pid} on {host} since {since}; {hint}'
        )

    def _create(self) -> None:
        """Makes the file with its content at once, unless another host was faster."""
        holder = dict(
            host=socket.gethostname(),
            pid=os.getpid(),
            started=_start_time(os.getpid()),
            since=time.strftime('%Y-%m-%d %H:%M:%S'),
        )
        draft = self.path.with_name(f'.{LOCK_FILE}.{secrets.token_hex(4)}.json')
        draft.write_text(json.dumps(holder) + '\n', encoding='utf-8')
        try:
            os.link(draft, self.path)
        except FileExistsError:
            self._refuse_if_held()
            raise
        finally:
            draft.unlink()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes of this host out, so that only one takes over a stale lock."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_running(pid: int, started: int | None) -> bool:
    """Whether the process with this number still runs, and is the one that started then."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # runs, as another user
    return _start_time(pid) in (None, started)


def _start_time(pid: int) -> int | None:
    """Start of a process in clock ticks since boot.

    Returns:
        0 for a process that has ended and waits for its parent; None where the kernel tells
        nothing.
    """
    try:
        stat = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8')
    except OSError:
        return None
    state, *numbers = stat.rpartition(')')[2].split()
    return 0 if state in 'ZX' else int(numbers[18])
