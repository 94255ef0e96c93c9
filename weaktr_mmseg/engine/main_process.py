"""Decisions of one process for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process

from ..utils.errors import WeakTrInputError


def on_main_process(function: Callable[..., Any], *args: Any) -> Any:
    """Calls a function in the main process and returns its result in every process.

    Args:
        function: Called in the main process only; its result must be plain values.
        *args: Its arguments.

    Raises:
        WeakTrInputError: In every process if the function raised it, so that none waits for one
            that has left.
    """
    outcome: list[Any] = [None, None]
    if is_main_process():
        try:
            outcome = [function(*args), None]
        except WeakTrInputError as error:
            outcome = [None, str(error)]
    broadcast_object_list(outcome)
    result, message = outcome
    if message is not None:
        raise WeakTrInputError(message)
    return result
