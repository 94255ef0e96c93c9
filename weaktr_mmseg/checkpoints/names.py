"""Strict renaming of parameters between two naming schemes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from ..utils.errors import WeakTrInputError, listing

StateDict = dict[str, Tensor]

QUERY_KEY_VALUE = ('.query.', '.key.', '.value.')


class UnknownLayoutError(WeakTrInputError):
    """A checkpoint whose parameters are not those of any supported layout."""


@contextmanager
def named(path: str | os.PathLike) -> Iterator[None]:
    """Puts the name of the file in front of what is wrong with its parameters."""
    try:
        yield
    except WeakTrInputError as error:
        raise type(error)(f'{path}: {error}') from error


def affine(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Name pairs of a module with ``weight`` and ``bias``."""
    return tuple((f'{theirs}.{part}', f'{ours}.{part}') for part in ('weight', 'bias'))


@dataclass(frozen=True)
class NameTable:
    """Pairs of parameter names; ``*`` in a name stands for the number of a layer.

    Attributes:
        pairs: (their name, our name) of every parameter.
        unused: Patterns of their names that carry nothing we need, such as ImageNet classifiers.
    """

    pairs: tuple[tuple[str, str], ...]
    unused: tuple[str, ...] = ()

    def prefixed(self, theirs: str, ours: str) -> NameTable:
        """Returns the table with a prefix before every name of either side."""
        return NameTable(
            tuple((theirs + source, ours + target) for source, target in self.pairs),
            tuple(theirs + pattern for pattern in self.unused),
        )

    def __add__(self, other: NameTable) -> NameTable:
        return NameTable(self.pairs + other.pairs, self.unused + other.unused)

    def inverse(self) -> NameTable:
        """Returns the table from our names to theirs."""
        return NameTable(tuple((ours, theirs) for theirs, ours in self.pairs))

    def rename(self, state: Mapping[str, Tensor]) -> StateDict:
        """Renames every parameter, insisting on a complete and closed set.

        Args:
            state: Parameters by their names.

        Returns:
            The parameters by our names, in the order of the table.

        Raises:
            UnknownLayoutError: If a parameter of the table is missing in ``state``, or ``state``
                has one that is neither in the table nor known to be unused.
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
                f'{title} {listing(keys)}'
                for title, keys in (('unknown', left_over), ('missing', missing))
                if keys
            ]
            raise UnknownLayoutError('; '.join(problems))
        return {ours: state[theirs] for theirs, ours in names.items()}

    def _expand(self, state: Mapping[str, Tensor]) -> dict[str, str]:
        """Replaces ``*`` by the layer numbers that occur in ``state``."""
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
    """Returns one more than the largest number that follows ``stem`` in any name, at least 1."""
    pattern = re.compile(re.escape(stem) + r'(\d+)[./]')
    matches = (pattern.match(name) for name in names)
    return max((int(match[1]) + 1 for match in matches if match), default=1)


def join(state: Mapping[str, Tensor], parts: tuple[str, ...], whole: str) -> StateDict:
    """Concatenates parameters that one layout keeps apart and another in one, outputs first.

    Args:
        state: Parameters by name.
        parts: What tells the names of the parts apart, in order, such as ``'.query.'``.
        whole: What takes its place in the name of the whole.

    Returns:
        The parameters with every complete set of parts in one tensor.

    Raises:
        UnknownLayoutError: If a part is missing.
    """
    joined: StateDict = {}
    for name, tensor in state.items():
        part = next((part for part in parts if part in name), None)
        if part is None:
            joined[name] = tensor
            continue
        names = [name.replace(part, other) for other in parts]
        missing = [other for other in names if other not in state]
        if missing:
            raise UnknownLayoutError(f'missing {listing(missing)}')
        joined[name.replace(part, whole)] = torch.cat([state[other] for other in names])
    return joined
