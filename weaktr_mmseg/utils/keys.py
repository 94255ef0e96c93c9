"""Keys that nobody reads, refused with the one that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from .errors import WeakTrInputError

# Similarity from which a free name counts as a misspelt key: one letter of ten.
MISSPELT = 0.9


def refuse_unknown(given: Iterable[str], known: Iterable[str], place: str) -> None:
    """Refuses keys that are not known.

    Args:
        given: Keys of a config.
        known: All that are read there.
        place: Where they stand, for the message.

    Raises:
        WeakTrInputError: Names the first unknown key and the likely one, or all that are known.

    Examples:
        >>> refuse_unknown(['threshold'], ['threshold', 'crf'], 'pseudo_labels')
        >>> refuse_unknown(['treshold'], ['threshold', 'crf'], 'pseudo_labels')
        Traceback (most recent call last):
        ...
        weaktr_mmseg.utils.errors.WeakTrInputError: pseudo_labels.treshold: no such key; did you \
mean threshold?
    """
    known = sorted(known)
    for key in given:
        if key not in known:
            close = get_close_matches(str(key), known, n=1)
            hint = f'did you mean {close[0]}?' if close else f'expected one of {", ".join(known)}'
            raise WeakTrInputError(f'{place}.{key}: no such key; {hint}')


def refuse_misspelt(given: Iterable[str], known: Iterable[str], place: str = '') -> None:
    """Refuses keys that are nearly, but not quite, known ones; other names may be variables.

    Args:
        given: Keys of a config.
        known: Keys that are read there.
        place: Where they stand, for the message; empty at the top level.

    Raises:
        WeakTrInputError: Names the key and the likely one.
    """
    known = list(known)
    for key in given:
        close = get_close_matches(str(key), known, n=1, cutoff=MISSPELT)
        if close and key not in known:
            prefix = f'{place}.' if place else ''
            raise WeakTrInputError(
                f'{prefix}{key}: no such key; did you mean {prefix}{close[0]}? (rename it if it '
                'is a variable of yours)'
            )
