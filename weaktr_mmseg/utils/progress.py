"""Progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from mmengine.dist import is_main_process
from tqdm import tqdm


def progress_bar(
    items: Iterable | None = None, total: int | None = None, desc: str = '', **options: Any
) -> Any:
    """A tqdm bar of the main process, quiet in log files.

    Args:
        items: What to iterate over; None for a bar that is updated by hand.
        total: Number of items.
        desc: What is being done.
        options: Others of tqdm, such as ``unit``.
    """
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(
        items,
        desc,
        total,
        mininterval=interval,
        maxinterval=interval,
        disable=not is_main_process(),
        **options,
    )
