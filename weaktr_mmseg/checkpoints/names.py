"""Strict renaming of parameters between two naming schemes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import Tensor

StateDict = dict[str, Tensor]

SHOWN_KEYS = 5


class UnknownLayoutError(ValueError):
    """A checkpoint whose parameters are not those of any supported layout."""


def affine(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Name pairs of a module with ``weight`` and ``bias``."""
    return tuple((f'{theirs}.{part}', f'{ours}.{part}') for part in ('weight', 'bias'))


@dataclass(frozen=True)
class NameTable:
    """Pairs of parameter names; ``*`` in a name stands for the number of a layer.

    Attributes:
        pairs: (their name, our name) of every parameter.
        unused: patterns of their names that carry nothing we need, such as ImageNet classifiers.
    """

    pairs: tuple[tuple[str, str], ...]
    unused: tuple[str, ...] = ()

    def prefixed(self, theirs: str, ours: str) -> NameTable:
        """Return the table with a prefix before every name of either side."""
        return NameTable(
            tuple((theirs + source, ours + target) for source, target in self.pairs),
            tuple(theirs + pattern for pattern in self.unused),
        )

    def __add__(self, other: NameTable) -> NameTable:
        return NameTable(self.pairs + other.pairs, self.unused + other.unused)

    def inverse(self) -> NameTable:
        """Return the table from our names to theirs."""
        return NameTable(tuple((ours, theirs) for theirs, ours in self.pairs))

    def rename(self, state: Mapping[str, Tensor]) -> StateDict:
        """Rename every parameter, insisting on a complete and closed set.

        Args:
            state: parameters by their names.

        Returns:
            The parameters by our names, in the order of the table.

        Raises:
            UnknownLayoutError: a parameter of the table is missing in ``state``, or ``state`` has
                one that is neither in the table nor known to be unused.
        """
        names = self._expand(state)
        missing = [name for name in names if name not in state]
        left_over = [
            name
            for name in state
            if name not in names and not any(fnmatchcase(name, p) for p in self.unused)
        ]
        if missing or left_over:
            problems = [
                f'{title} {_listing(keys)}'
                for title, keys in (('unknown', left_over), ('missing', missing))
                if keys
            ]
            raise UnknownLayoutError('; '.join(problems))
        return {ours: state[theirs] for theirs, ours in names.items()}

    def _expand(self, state: Mapping[str, Tensor]) -> dict[str, str]:
        """Replace ``*`` by the layer numbers that occur in ``state``."""
        names: dict[str, str] = {}
        for theirs, ours in self.pairs:
            if '*' not in theirs:
                names[theirs] = ours
                continue
            stem = theirs.partition('*')[0]
            for layer in range(count_layers(state, stem)):
                names[theirs.replace('*', str(layer))] = ours.replace('*', str(layer))
        return names


def count_layers(names: Iterable[str], stem: str) -> int:
    """Return one more than the largest number that follows ``stem`` in any name, at least 1."""
    pattern = re.compile(re.escape(stem) + r'(\d+)[./]')
    matches = (pattern.match(name) for name in names)
    return max((int(match[1]) + 1 for match in matches if match), default=1)


def _listing(keys: list[str]) -> str:
    shown = ', '.join(keys[:SHOWN_KEYS])
    more = len(keys) - SHOWN_KEYS
    return f'{shown} and {more} more' if more > 0 else shown
