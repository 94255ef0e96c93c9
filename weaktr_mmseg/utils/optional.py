"""Packages that only some features need."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from .errors import WeakTrInputError


def import_optional(name: str, message: str) -> ModuleType:
    """Imports a package or tells how to install it.

    Args:
        name: Of the module.
        message: What needs it, and the command that installs it.

    Raises:
        WeakTrInputError: If it is not installed.
    """
    try:
        import_module(name.partition('.')[0])
        return import_module(name)
    except ImportError as error:
        raise WeakTrInputError(message) from error
