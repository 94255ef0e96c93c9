"""Formulas as MathML: browsers draw it themselves, so pages need no script and no network."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\s*\\(?P<open>[(\[])(?P<tex>.*?)\\[)\]]\s*</\1>', re.DOTALL
)


def on_page_content(content: str, **_: Any) -> str:
    """Replaces what arithmatex marked by MathML."""
    return FORMULA.sub(_render, content)


def _render(found: re.Match) -> str:
    display = 'block' if found['open'] == '[' else 'inline'
    return convert(html.unescape(found['tex']).strip(), display=display)
