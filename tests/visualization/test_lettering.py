"""Names in any script are drawn or spelt, and never end as boxes or errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from mmengine.structures import PixelData
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample

from weaktr_mmseg.visualization import lettering
from weaktr_mmseg.visualization.cam_figures import to_rgb
from weaktr_mmseg.visualization.panels import draw_rows

CAT, DOG = '\u732b', '\u72ac'
NAMES = (
    CAT + DOG,
    '\u0642\u0637\u0629',  # Arabic
    '\u0915\u0941\u0924\u094d\u0924\u093e',  # Devanagari
    '\U0001f408\u200d\u2b1b',  # a black cat of three characters
    '\ud55c\uad6d\uc5b4',
    'stra\u00dfe',
    '_hidden',
    '$\\frac$',
    'a$b',
    '\x07',
)


@pytest.fixture
def no_fonts(monkeypatch):
    """A machine with matplotlib's own fonts alone, on which nothing was said yet."""
    own = [font for font in fontManager.ttflist if 'mpl-data' in font.fname]
    monkeypatch.setattr(fontManager, 'ttflist', own)
    monkeypatch.setattr(lettering, 'findSystemFonts', list)
    monkeypatch.setattr(lettering, '_advised', set())
    said = []
    monkeypatch.setattr(lettering, 'print_log', lambda message, *_: said.append(message))
    clear()
    yield said
    clear()


def clear():
    lettering._fonts.cache_clear()
    lettering._family.cache_clear()


def square_font(path, characters):
    """Writes a font in which each character is a black square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(point)
    pen.closePath()
    glyphs = {'.notdef': TTGlyphPen(None).glyph(), 'square': pen.glyph()}
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(list(glyphs))
    font.setupCharacterMap({ord(character): 'square' for character in characters})
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable(dict(familyName='Squares', styleName='Regular'))
    font.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200, usWeightClass=400)
    font.setupPost()
    font.save(path)
    return str(path)


def test_names_without_a_font_are_spelt(no_fonts):
    spelt = [lettering.legible(name)[0] for name in NAMES[:5]]
    assert all(spelt)
    assert spelt[0] == '[U+732B][U+72AC]'
    assert spelt[1] == NAMES[1]  # DejaVu has Arabic
    assert spelt[2] == 'kautataaa'
    assert spelt[3].startswith(':cat:')
    assert [lettering.legible(name) for name in NAMES[5:9]] == [
        (name, ['DejaVu Sans']) for name in NAMES[5:9]
    ]


def test_one_line_says_what_to_install(no_fonts):
    for _ in range(2):
        lettering.legible(CAT)
        lettering.legible(DOG)
    (line,) = no_fonts
    assert f"no installed font has all of '{CAT}', which is drawn as '[U+732B]'" in line
    assert line.endswith('(Debian, Ubuntu: apt install fonts-noto-cjk)')


def test_a_font_that_was_installed_a_moment_ago_is_used(no_fonts, tmp_path, monkeypatch):
    path = square_font(tmp_path / 'squares.ttf', CAT)
    monkeypatch.setattr(lettering, 'findSystemFonts', lambda: [path])
    assert lettering.legible(f'a{CAT}') == (f'a{CAT}', ['DejaVu Sans', 'Squares'])
    assert lettering.legible(DOG)[0] == '[U+72AC]'
    picture = lettering.name_picture(CAT, 20)[..., 3]
    ink = picture > 127
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    assert len(rows) == pytest.approx(16, abs=1) and len(columns) == pytest.approx(16, abs=1)
    assert ink[np.ix_(rows, columns)].all()


def test_figures_have_all_names(no_fonts):
    picture = np.zeros((8, 8, 3), np.uint8)
    colours = {name: (9 * index, 0, 0) for index, name in enumerate(NAMES)}
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # missing glyphs are warnings of matplotlib
        figure = draw_rows([{'image': picture}], [' '.join(NAMES)], colours)
        pixels = to_rgb(figure)
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == [lettering.legible(name)[0] for name in NAMES]
    assert len(set(texts)) == len(NAMES)
    assert pixels.std() > 0


def visualizer():
    return VISUALIZERS.build(dict(type='WeakTrSegVisualizer', alpha=1.0, name=str(object())))


def drawn(names, side=200):
    labels = np.zeros((1, side, side), np.int64)
    labels[:, side // 2 :] = 1
    sample = SegDataSample(pred_sem_seg=PixelData(data=labels))
    found = visualizer()
    found.dataset_meta = dict(classes=names, palette=[[0, 0, 90], [0, 90, 0]])
    image = np.zeros((side, side, 3), np.uint8)
    found.add_datasample('x', image, sample, draw_gt=False)
    return found.get_image()


def test_label_maps_have_names_in_any_script(no_fonts, tmp_path, monkeypatch):
    path = square_font(tmp_path / 'squares.ttf', CAT)
    monkeypatch.setattr(lettering, 'findSystemFonts', lambda: [path])
    picture = drawn(['background', CAT])
    white = (picture == 255).all(axis=-1)
    assert white[100:].sum() > 40  # a square of about 8 x 8 pixels
    assert drawn(['background', 'cat']).shape == picture.shape
    assert drawn([CAT, CAT * 90], side=20).shape == (20, 20, 3)  # wider than the picture


def test_formulas_are_not_read():
    text = Figure().text(0, 0, '')
    lettering.write(text, '$x^2$')
    assert text.get_text() == '$x^2$' and not text.get_parse_math()
