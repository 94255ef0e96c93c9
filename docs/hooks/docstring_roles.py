"""Docstrings name other objects with Sphinx roles, which Markdown does not know."""

from __future__ import annotations

import re
from typing import Any

ROLE = re.compile(r':(?:attr|class|data|func|meth|mod|obj|exc):<code>~?')


def on_page_content(content: str, **_: Any) -> str:
    """Leaves the name of the object as code."""
    return ROLE.sub('<code>', content)
