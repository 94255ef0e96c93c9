"""What a person decided about photographs on the review page."""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..utils.errors import WeakTrInputError, input_errors
from .file_index import image_suffixes
from .names import clean_path

DROP, RELABEL, TRUST = ACTIONS = ('drop', 'relabel', 'trust')


class Tick(NamedTuple):
    """A decision.

    Attributes:
        action: ``'drop'`` leaves the photograph out of training, ``'relabel'`` gives it other
            labels, ``'trust'`` says that labels and mask are right.
        labels: Names of the classes that the photograph shows, for ``'relabel'`` alone.
    """

    action: str
    labels: tuple[str, ...] = ()


def read_review(path: str | Path) -> dict[str, Tick]:
    """Reads the CSV that the review page saves: ``image,action`` and, for relabel, ``labels``.

    Args:
        path: The file, UTF-8; labels are joined by semicolons.

    Returns:
        Name of each photograph, as :func:`clean_path` writes it -> what was decided.

    Raises:
        WeakTrInputError: If the file is missing or has another form, an action is unknown, a
            photograph is listed twice, or one to relabel has no labels.

    Examples:
        >>> table = 'image,action,labels\\na/001.jpg,relabel,cat;dog\\n'
        >>> _ = Path('review.csv').write_text(table, encoding='utf-8')
        >>> read_review('review.csv')
        {'a/001.jpg': Tick(action='relabel', labels=('cat', 'dog'))}
    """
    file = Path(path)
    with input_errors(str(file)):
        text = file.read_text(encoding='utf-8-sig')
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    if not {'image', 'action'} <= set(rows.fieldnames or ()):
        raise WeakTrInputError(
            f'{file}: the first line must name the columns image,action, got {rows.fieldnames}'
        )
    ticks: dict[str, Tick] = {}
    for row in rows:
        where = f'{file}, line {rows.line_num}'
        name = clean_path(row['image'] or '')
        if not name or name in ticks:
            raise WeakTrInputError(
                f'{where}: expected an image not listed before, got {row["image"]!r}'
            )
        ticks[name] = _tick(row, where)
    return ticks


def _tick(row: Mapping[str, str | None], where: str) -> Tick:
    action = (row['action'] or '').strip()
    names = (row.get('labels') or '').split(';')
    labels = tuple(name.strip() for name in names if name.strip())
    if action not in ACTIONS:
        raise WeakTrInputError(f'{where}: expected {", ".join(ACTIONS)}, got {action!r}')
    if action == RELABEL and not labels:
        raise WeakTrInputError(
            f"{where}: expected the labels of an image to relabel in the column 'labels'"
        )
    return Tick(action, labels if action == RELABEL else ())


def apply_review(
    labels: Mapping[str, Sequence[str]], ticks: Mapping[str, Tick]
) -> dict[str, list[str]]:
    """Leaves out what was dropped and puts new labels in place of the old.

    Args:
        labels: Name of each photograph, with or without suffix -> names of its classes.
        ticks: What :func:`read_review` gives; photographs that are not among the labels are passed
            over.

    Returns:
        The labels in their order.
    """
    decided = match_ticks(labels, ticks)
    result = {}
    for name, names in labels.items():
        tick = decided.get(name, Tick(TRUST))
        if tick.action != DROP:
            result[name] = list(tick.labels if tick.action == RELABEL else names)
    return result


def match_ticks(names: Iterable[str], ticks: Mapping[str, Tick]) -> dict[str, Tick]:
    """Finds the photographs that ticks are meant for.

    Args:
        names: Names of photographs, with or without suffix.
        ticks: What :func:`read_review` gives, by names with or without suffix.

    Returns:
        Those of the names that have a tick -> the tick.

    Raises:
        WeakTrInputError: If two ticks mean one photograph, or one could mean two.
    """
    return {meant: ticks[name] for name, meant in ticked_photographs(names, ticks).items()}


def ticked_photographs(names: Iterable[str], ticks: Iterable[str]) -> dict[str, str]:
    """Names in a review file -> the photographs meant, as :func:`match_ticks` finds them."""
    known: dict[str, list[str]] = {}
    for name in names:
        for key in dict.fromkeys((name, _stem(name))):
            known.setdefault(key, []).append(name)
    found: dict[str, str] = {}
    owners: dict[str, str] = {}
    for name in ticks:
        meant = known.get(name) or known.get(_stem(name), [])
        meant = [name] if name in meant else meant  # the complete name comes first
        if len(meant) > 1:
            raise WeakTrInputError(f"review: '{name}' could mean '{meant[0]}' and '{meant[1]}'")
        for photograph in meant:
            if (other := owners.setdefault(photograph, name)) != name:
                raise WeakTrInputError(f"review: '{other}' and '{name}' are one photograph")
            found[name] = photograph
    return found


def _stem(name: str) -> str:
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in image_suffixes() else name
