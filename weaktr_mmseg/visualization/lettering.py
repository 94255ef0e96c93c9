"""Names in any script, in pictures: by a font that has their characters, else in Latin letters."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import (
    FontEntry,
    FontProperties,
    findfont,
    findSystemFonts,
    fontManager,
)
from matplotlib.ft2font import FT2Font
from matplotlib.legend import Legend
from matplotlib.patches import Patch
from matplotlib.text import Text
from mmengine.logging import print_log

_NO_FONT = 'Last Resort'  # has a box for every character
_PACKAGES = dict.fromkeys(('CJK', 'HANGUL', 'HIRAGANA', 'KATAKANA'), 'fonts-noto-cjk')
_FOR_SYMBOLS, _FOR_LETTERS = 'fonts-symbola', 'fonts-noto-core'
_advised: set[str] = set()  # packages that a warning has named


def write(text: Text, content: str) -> None:
    """Puts a name into a text of a figure, whatever its script, without reading it as formula.

    Where no installed font has its characters, the name is spelt with Latin letters and a warning
    says once what to install.

    Args:
        text: A text of matplotlib.
        content: What to write.

    Examples:
        >>> title = Figure().text(0, 0, '')
        >>> write(title, 'price in $')
        >>> title.get_text(), title.get_parse_math()
        ('price in $', False)
    """
    lines, families = legible(content)
    text.set(text=lines, parse_math=False, fontfamily=families)


def name_colours(
    place: Figure | Axes, colours: Mapping[str, Sequence[float]], **options: Any
) -> Legend:
    """Adds a legend of colours.

    Args:
        place: Gets the legend.
        colours: Name -> RGB, 0..255.
        **options: Of matplotlib's legend.
    """
    patches = [
        Patch(facecolor=np.divide(colour, 255), edgecolor='grey') for colour in colours.values()
    ]
    # matplotlib leaves out labels that begin with an underscore, so numbers hold their places.
    numbers = [str(index) for index in range(len(patches))]
    legend = place.legend(patches, numbers, frameon=False, **options)
    for text, name in zip(legend.get_texts(), colours):
        write(text, name)
    return legend


def legible(content: str) -> tuple[str, list[str]]:
    """What of a name can be drawn, and with which fonts.

    Returns:
        The name, characters without a font spelt, and the names of font families, the first of
        which draws what it can.
    """
    text = unicodedata.normalize('NFC', content)
    found = [_family(character) for character in text]
    pieces = [c if family else _spelling(c) for c, family in zip(text, found)]
    drawn = ''.join(pieces).strip() or ascii(content)
    if any(len(piece) != 1 for piece in pieces):
        _warn(content, drawn, text[found.index(None)])
    return drawn, list(dict.fromkeys([FontProperties().get_name(), *filter(None, found)]))


def name_picture(name: str, height: float) -> np.ndarray:
    """Draws a name in white.

    Args:
        name: The name.
        height: Size of the font in pixels.

    Returns:
        RGBA, uint8 (H, W, 4), transparent around the letters.
    """
    figure = Figure(dpi=72)  # one point is one pixel
    canvas = FigureCanvasAgg(figure)
    text = figure.text(0, 0, '', fontsize=height, color='white', va='bottom', ha='left')
    write(text, name)
    box = text.get_window_extent(canvas.get_renderer())
    wide, high = (float(np.ceil(side) + 2) for side in (box.width, box.height))
    figure.set_size_inches(wide / figure.dpi, high / figure.dpi)
    text.set_position((1 / figure.bbox.width, 1 / figure.bbox.height))
    figure.patch.set_alpha(0)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


@cache
def _family(character: str) -> str | None:
    """The font family that draws a character: matplotlib's default, else another; None if none."""
    default = FontProperties()
    if character in ' \n' or ord(character) in _characters(findfont(default)):
        return default.get_name()
    for font in _fonts():
        if ord(character) in _characters(font.fname):
            return font.name
    return None


@cache
def _fonts() -> list[FontEntry]:
    """Upright fonts of usual weight, those that were installed a moment ago included."""
    known = {font.fname for font in fontManager.ttflist}
    for path in findSystemFonts():
        if path not in known:
            try:
                fontManager.addfont(path)
            except (OSError, RuntimeError):  # bitmaps alone, as those of coloured emoji
                continue
    fonts = [font for font in fontManager.ttflist if _NO_FONT not in font.name]
    upright = [font for font in fonts if font.style == 'normal' and font.weight in (400, 'normal')]
    return sorted(upright, key=lambda font: ('Sans' not in font.name, font.name))


@cache
def _characters(path: str) -> frozenset[int]:
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


def _spelling(character: str) -> str:
    """A character that no font has, in ASCII: by its sound if it has one, its name or number."""
    name = unicodedata.name(character, '')
    kind = unicodedata.category(character)
    if kind in ('Cf', 'Cc', 'Me') or 'VARIATION SELECTOR' in name or name.endswith('VIRAMA'):
        return ''
    if not name or 'IDEOGRAPH' in name:
        return f'[U+{ord(character):04X}]'
    if kind[0] in 'LM':
        return name.split()[-1].lower()
    return f':{name.lower().replace(" ", "_")}:'


def _warn(name: str, drawn: str, missing: str) -> None:
    """Says, once for each kind of script, that names are spelt, and what to install."""
    described = unicodedata.name(missing, '')
    letters = unicodedata.category(missing)[0] in 'LM'
    package = next(
        (package for script, package in _PACKAGES.items() if script in described),
        _FOR_LETTERS if letters else _FOR_SYMBOLS,
    )
    if package in _advised:
        return
    _advised.add(package)
    message = (
        f"pictures: no installed font has all of '{name}', which is drawn as '{drawn}', and others "
        f'like it; install a font (Debian, Ubuntu: apt install {package})'
    )
    print_log(message, 'current', logging.WARNING)
