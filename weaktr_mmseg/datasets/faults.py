"""What is wrong with a data set, as data: loading raises it, the checks print it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..utils.errors import WeakTrInputError, WeakTrMissingFileError

ERROR, WARNING = 'error', 'warning'
SHOWN = 5  # of many faults of one kind


@dataclass(frozen=True)
class Fault:
    """One fault of a data set.

    Attributes:
        check: Kind of the fault, such as ``'image-missing'``.
        file: File, with the line where there is one.
        message: What was expected and what came.
        sample: Sample or name at fault; empty if the whole data set is.
        severity: ``'error'`` or ``'warning'``; the latter forbids nothing.
        missing: Whether a file is not there.
        hint: What can be done about all faults of this kind.
    """

    check: str
    file: str
    message: str
    sample: str = ''
    severity: str = ERROR
    missing: bool = False
    hint: str = ''

    @property
    def line(self) -> str:
        """The fault in one line, its file named once."""
        return self.message if self.file in self.message else f'{self.file}: {self.message}'


class FaultError(Exception):
    """Ends the listing of a data set because of a fault of the whole."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.line)
        self.fault = fault


@contextmanager
def whole_fault(check: str, file: str) -> Iterator[None]:
    """Turns what readers of files raise into a fault of the whole data set.

    Raises:
        FaultError: In place of an ``OSError`` or ``ValueError``.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise FaultError(Fault(check, file, str(error), missing=missing)) from error


def raise_first(faults: Sequence[Fault]) -> None:
    """Raises the first fault that forbids loading, with others of its kind.

    Raises:
        WeakTrMissingFileError: If a file is missing.
        WeakTrInputError: For any other fault.
    """
    first = next((fault for fault in faults if fault.severity == ERROR), None)
    if first is None:
        return
    same = [fault for fault in faults if (fault.check, fault.severity) == (first.check, ERROR)]
    raise (WeakTrMissingFileError if first.missing else WeakTrInputError)(in_one_line(same))


def in_one_line(faults: Sequence[Fault]) -> str:
    """Joins faults of one kind: the first five, each file once, how many more, what to do."""
    lines = [
        fault.message if before is not None and fault.file == before.file else fault.line
        for before, fault in zip([None, *faults], faults[:SHOWN])
    ]
    more = [f'and {len(faults) - SHOWN} more'] if len(faults) > SHOWN else []
    return '; '.join([*lines, *more, *filter(None, [faults[0].hint])])
