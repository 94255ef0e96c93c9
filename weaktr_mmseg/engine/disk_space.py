"""A full disk, said in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..utils.errors import WeakTrInputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_full_errors(folder: str | Path) -> Iterator[None]:
    """Turns a write that failed for lack of space into an error that names the file.

    Args:
        folder: Named where the error names no file, as that of a worker process does.

    Raises:
        WeakTrInputError: In place of the ``OSError``.
    """
    try:
        yield
    except OSError as error:
        reason = next((os.strerror(n) for n in FULL if _is(error, n)), None)
        if reason is None:
            raise
        raise WeakTrInputError(
            f'{error.filename or folder}: {reason}; files written before are intact: '
            'make room and continue with --resume'
        ) from error


def _is(error: OSError, number: int) -> bool:
    # A DataLoader hands an error of its worker on as text.
    return error.errno == number or (error.errno is None and os.strerror(number) in str(error))
