"""Folders and label files are listed once a run, however many data sets use them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Content = TypeVar('Content')
_listings: dict[Hashable, Any] | None = None


@contextmanager
def listed_once() -> Iterator[None]:
    """Remembers inside its block what folders and label files hold.

    Checks, resume and loaders of one run then agree on the data and list it once. A file that is
    changed meanwhile is noticed when it is opened. Blocks may be nested.
    """
    global _listings
    outer = _listings
    _listings = {} if outer is None else outer
    try:
        yield
    finally:
        _listings = outer


@contextmanager
def collection_paused() -> Iterator[None]:
    """Makes no use of the cyclic garbage collector inside its block.

    A listing makes millions of objects and no cycles; looking for some takes a fifth of its time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def remember(key: Hashable, make: Callable[[], Content]) -> Content:
    """Returns what ``make`` gave for this key, if inside of :func:`listed_once`; else calls it.

    Args:
        key: What the content depends on: kind, path, options.
        make: Reads the content. It is shared, so nobody may change it.
    """
    if _listings is None:
        return make()
    if key not in _listings:
        _listings[key] = make()
    return _listings[key]
