"""What every source of labels yields, and how names of labels become ids."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ...utils.masks import IGNORE_INDEX
from ..faults import ERROR, WARNING, Fault
from ..names import clean_label, looks_like_several


class LabelRow(NamedTuple):
    """The labels of one image.

    Attributes:
        image: Name of the image, with or without suffix.
        names: Label names.
        where: File, with the line where there is one.
        fault: What is wrong with the row, if anything.
    """

    image: str
    names: Sequence[str]
    where: str
    fault: Fault | None = None


class ImageLabels(NamedTuple):
    """The labels of one image as ids.

    Attributes:
        image: As in :class:`LabelRow`.
        ids: Foreground ids ``0..C-1``, sorted, each once.
        where: As in :class:`LabelRow`.
        faults: What is wrong with them.
    """

    image: str
    ids: list[int]
    where: str
    faults: tuple[Fault, ...] = ()


class ForegroundClasses:
    """The foreground classes of a data set and their ids ``0..C-1``.

    Args:
        classes: Class names with the background first, as in a dataset's ``metainfo``.

    Raises:
        ValueError: If there is no foreground class or more than masks can hold, or a name occurs
            twice.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        check_class_number(len(classes) - 1)
        if len(classes) < 2:
            raise ValueError(
                'classes need the background first and at least one class after it, '
                f'got {list(classes)}'
            )
        cleaned = [clean_label(name) for name in classes]
        if len(set(cleaned)) != len(cleaned):
            twice = sorted({name for name in cleaned if cleaned.count(name) > 1})
            raise ValueError(f'class names occur more than once: {twice}')
        self.background = cleaned[0]
        self.names = tuple(cleaned[1:])
        self._ids = {name: index for index, name in enumerate(self.names)}
        self._matches: dict[str, tuple[int | None, str, str, str]] = {}

    def __len__(self) -> int:
        return len(self.names)

    def ids(self, names: Iterable[str], source: str) -> list[int]:
        """Returns the foreground ids of label names, sorted, each once.

        Args:
            names: Label names of one image.
            source: Where they were read, for the error message.

        Raises:
            ValueError: If a name is not one of the classes.
        """
        try:
            return sorted({self._ids[clean_label(name)] for name in names})
        except KeyError as error:
            raise ValueError(f'{source}: {self._unknown(error.args[0])}') from None

    def resolve(self, row: LabelRow) -> ImageLabels:
        """Turns the names of a row into ids; what is wrong with them becomes faults."""
        faults = [] if row.fault is None else [row.fault]
        ids: set[int] = set()
        for name in row.names:
            if name not in self._matches:
                self._matches[name] = self._match(clean_label(name))
            class_id, check, message, severity = self._matches[name]
            if class_id is not None:
                ids.add(class_id)
            if check:
                faults.append(Fault(check, row.where, message, row.image, severity))
        return ImageLabels(row.image, sorted(ids), row.where, tuple(faults))

    def _match(self, name: str) -> tuple[int | None, str, str, str]:
        """The id of a label, if it has one, and its fault: check, message, severity."""
        several = looks_like_several(name, self._ids)
        if several or (several is None and name not in self._ids):
            return None, 'label-several', _SEVERAL.format(name), ERROR
        if name not in self._ids:
            return None, 'label-unknown', self._unknown(name), ERROR
        if several is None:
            return self._ids[name], 'label-several', _SEVERAL.format(name), WARNING
        return self._ids[name], '', '', ''

    def _unknown(self, name: str) -> str:
        if name == self.background:
            return (
                f"label '{name}' is the first of the classes, which is taken as "
                'background; put a background class before it'
            )
        close = difflib.get_close_matches(name, self.names, n=1)
        hint = f" (did you mean '{close[0]}'?)" if close else ''
        return (
            f"label '{name}' is not in the class list{hint}; known classes: {', '.join(self.names)}"
        )


_SEVERAL = "label '{}' looks like several labels; separate labels by semicolons"


def check_class_number(foreground: int) -> None:
    """Refuses more classes than a mask can hold.

    Raises:
        ValueError: If there are more than 254 foreground classes.
    """
    if foreground > IGNORE_INDEX - 1:
        raise ValueError(
            f'{foreground} foreground classes: expected at most {IGNORE_INDEX - 1}, since masks '
            f'have 8 bits, 0 is background and {IGNORE_INDEX} is left out; merge some'
        )


def merge(
    labels: Iterable[tuple[str, ImageLabels]],
) -> tuple[dict[str, list[int]], list[Fault]]:
    """Joins rows to labels by image.

    Args:
        labels: What identifies an image, and a row of it.

    Returns:
        Image -> foreground ids, and the faults of the rows; an image that is listed twice is one,
        which names both places. The ids may be shared with the row, so nobody may change them.
    """
    merged: dict[str, list[int]] = {}
    first: dict[str, ImageLabels] = {}
    faults: list[Fault] = []
    for image, row in labels:
        if row.faults:
            faults += [replace(f, sample=f.sample and image) for f in row.faults]
        if first.setdefault(image, row) is row:
            merged[image] = row.ids
        else:
            message = (
                f"image '{row.image}' is listed a second time, first as '{first[image].image}' in "
                f'{first[image].where}; put all its labels into one row'
            )
            faults.append(Fault('label-duplicate', row.where, message))
            merged[image] = sorted({*merged[image], *row.ids})
    return merged, faults
