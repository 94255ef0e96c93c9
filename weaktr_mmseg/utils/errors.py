"""Errors that a user can mend. The tools print them as one line and end with exit code 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager


class WeakTrError(Exception):
    """What is wrong and where, in one line.

    A DataLoader hands an error of its worker on with the worker's traceback as the message; of
    that, the line of the error itself is kept.
    """

    def __init__(self, message: object) -> None:
        lines = str(message).strip().splitlines() or ['']
        if lines[0].startswith('Caught '):
            lines = [lines[-1].partition('Error: ')[2]]
        super().__init__(' '.join(line.strip() for line in lines))


class WeakTrInputError(WeakTrError, ValueError):
    """A fault in the configuration or the data; names the file or the key."""


class WeakTrMissingFileError(WeakTrInputError, FileNotFoundError):
    """A file that should be there is not."""


class WeakTrDivergenceError(WeakTrError):
    """Training went to infinity or to no number; names the images of the batch."""


def check_choice(key: str, value: object, choices: Sequence[object]) -> None:
    """Makes sure that a value of a config is one of a few.

    Raises:
        WeakTrInputError: If it is not.
    """
    if value not in choices:
        expected = ', '.join(map(repr, choices))
        raise WeakTrInputError(f'{key}: expected one of {expected}, got {value!r}')


def listing(names: Iterable[str], shown: int = 5) -> str:
    """Names the first of many, for a message, and counts the rest."""
    names = list(names)
    more = f' and {len(names) - shown} more' if len(names) > shown else ''
    return ', '.join(names[:shown]) + more


@contextmanager
def input_errors(place: str = '') -> Iterator[None]:
    """Turns what readers of files raise into :class:`WeakTrInputError`.

    Args:
        place: File or key to name in front of messages that do not name it.

    Raises:
        WeakTrMissingFileError: In place of a ``FileNotFoundError``.
        WeakTrInputError: In place of any other ``OSError`` or ``ValueError``.
    """
    try:
        yield
    except WeakTrError:
        raise
    except (OSError, ValueError) as error:
        message = str(error) or type(error).__name__
        if place not in message:
            message = f'{place}: {message}'
        missing = isinstance(error, FileNotFoundError)
        raise (WeakTrMissingFileError if missing else WeakTrInputError)(message) from error
