"""Loops that hold the assertions of a test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar('Item')


def some(items: Iterable[Item]) -> list[Item]:
    """The items, of which there must be one: a loop over nothing asserts nothing."""
    items = list(items)
    assert items, 'nothing to loop over'
    return items
