"""The page in a headless Chromium: by keyboard alone, light and dark."""

from __future__ import annotations

import io

import numpy as np
import pytest
from browser import needs_chromium, started_browser
from PIL import Image
from review_classes import CLASSES

from weaktr_mmseg.review import Tick, read_review, write_review

pytestmark = needs_chromium
FOCUSED = "document.activeElement.querySelector('.name').textContent"


@pytest.fixture(scope='module')
def page(labelled_run, tmp_path_factory):
    return write_review(labelled_run, tmp_path_factory.mktemp('page') / 'review.html').path


@pytest.fixture(scope='module')
def window(tmp_path_factory):
    with started_browser(tmp_path_factory.mktemp('downloads')) as window:
        yield window


@pytest.fixture
def browser(window, page):
    """The page without ticks of another test."""
    window.open(page)
    window.run('localStorage.clear()')
    window.open(page)
    yield window
    (window.folder / 'review.csv').unlink(missing_ok=True)
    assert window.complaints() == []


def cards(browser) -> int:
    return browser.run("document.querySelectorAll('.card').length")


def test_cards_and_pictures_come_when_they_are_seen(browser):
    assert 0 < cards(browser) < 150
    browser.wait("document.querySelectorAll('.card img').length > 0")
    drawn = browser.run("document.querySelectorAll('img.photo').length")
    assert drawn < 150
    browser.wait("document.querySelector('img.photo').naturalWidth === 40")
    for _ in range(5):
        browser.run('window.scrollTo(0, document.body.scrollHeight)')
        browser.wait("document.querySelectorAll('img.photo').length > 0")
    browser.wait("(window.scrollTo(0, 1e6), document.querySelectorAll('.card').length === 150)")


def test_ticks_by_keyboard(browser, page):
    browser.press('Right', 'd', 'Right', 'Right', 't')
    names = [
        browser.run(f"document.querySelectorAll('.card .name')[{i}].textContent") for i in range(4)
    ]
    assert browser.run(FOCUSED) == names[2]
    browser.press('Left', 'r')
    assert browser.run("document.getElementById('relabel').open")
    browser.wait("document.activeElement.matches('#relabel-classes input')")
    before = browser.run(
        "[...document.querySelectorAll('#relabel-classes input')].map(b => b.checked)"
    )
    browser.press('Tab', ' ', 'Enter')  # the second class
    browser.wait("!document.getElementById('relabel').open")
    expected = [name for name, on in zip(CLASSES, [before[0], not before[1], before[2]]) if on]
    assert browser.run(FOCUSED) == names[1]
    browser.press('Right', 'Right', 'd', 'u', 's')
    saved = browser.download('review.csv')
    assert saved.startswith('image,action,labels\n')
    assert read_review(browser.folder / 'review.csv') == {
        names[0]: Tick('drop'),
        names[1]: Tick('relabel', tuple(expected)),
        names[2]: Tick('trust'),
    }
    browser.open(page)  # ticks are kept
    assert '3 ticked' in browser.run("document.getElementById('count').textContent")
    assert browser.run("document.querySelector('.card').dataset.action") == 'drop'


def test_a_decision_is_about_a_photograph_that_is_marked(browser):
    browser.press('d')
    assert '0 ticked' in browser.run("document.getElementById('count').textContent")
    browser.press('d', 's')
    told = browser.run("document.getElementById('count').textContent")
    assert told.startswith('1 ticks in review.csv: put it beside labels.csv')


def test_pressing_twice_takes_a_tick_away(browser):
    browser.press('Right', 't', 't')
    assert '0 ticked' in browser.run("document.getElementById('count').textContent")


def test_keyboard_moves_in_rows_and_beyond_what_is_made(browser):
    row = browser.run(
        "getComputedStyle(document.getElementById('cards')).gridTemplateColumns.split(' ').length"
    )
    browser.press('Right', 'Down', 'j', 'k')
    at = "[...document.querySelectorAll('.card')].indexOf(document.activeElement)"
    assert browser.run(at) == row > 1
    browser.press('Up')
    assert browser.run(at) == 0
    for _ in range(3):
        browser.press('End')
    assert browser.run(at) == 149
    browser.press('Home')
    assert browser.run(at) == 0


def test_an_empty_relabel_is_not_possible(browser):
    browser.press('Right', 'r')
    browser.run("document.querySelectorAll('#relabel-classes :checked').forEach(b => b.click())")
    assert browser.run("document.getElementById('relabel-save').disabled")
    browser.press('Escape')
    assert not browser.run("document.getElementById('relabel').open")
    assert '0 ticked' in browser.run("document.getElementById('count').textContent")


def test_filters(browser):
    def choose(name, value):
        event = 'input' if name == 'search' else 'change'
        node = f"document.getElementById('{name}')"
        browser.run(f"({node}.value = '{value}', {node}.dispatchEvent(new Event('{event}')))")
        return browser.run("document.getElementById('count').textContent")

    browser.press('Right', 'd')
    assert choose('kind', 'unlabelled').startswith('1 of 150')
    assert browser.run("document.querySelector('.card .name').textContent") == 'sub/003.jpg'
    choose('kind', '')
    assert choose('ticked', 'drop').startswith('1 of 150')
    assert choose('ticked', 'no').startswith('149 of 150')
    choose('ticked', '')
    assert choose('search', 'sub/01').startswith('5 of 150')
    assert choose('search', 'nothing').startswith('0 of 150')
    assert 'No photograph' in browser.run("document.getElementById('cards').textContent")
    choose('search', '')
    cows = int(choose('class', '2').split()[0])
    assert 0 < cows < 150
    browser.press('/')
    assert browser.run('document.activeElement.id') == 'search'


def test_a_saved_file_is_read_again(browser):
    text = 'image,action,labels\\nsub/001.jpg,relabel,"cat;c<ow> & ""co"""\\nelse.jpg,drop,\\n'
    browser.run(
        "(() => { const data = new DataTransfer(), input = document.getElementById('load');"
        f"data.items.add(new File(['{text}'], 'old.csv')); input.files = data.files;"
        "input.dispatchEvent(new Event('change')); return true; })()"
    )
    browser.wait("document.getElementById('count').textContent.includes('1 of 2 lines of old.csv')")
    browser.press('s')
    browser.download('review.csv')
    ticks = read_review(browser.folder / 'review.csv')
    assert ticks == {'sub/001.jpg': Tick('relabel', ('cat', CLASSES[2]))}


def test_larger_picture_and_overlay(browser):
    browser.press('Right', 'Enter')
    assert browser.run("document.getElementById('large').open")
    assert browser.run("document.querySelectorAll('#large img').length") == 2
    browser.press('Enter')
    browser.wait("!document.getElementById('large').open")
    shown = "getComputedStyle(document.querySelector('.card img.mask')).display"
    assert browser.run(shown) != 'none'
    browser.press('o')
    assert browser.run(shown) == 'none'


@pytest.mark.parametrize(('theme', 'bright'), [('light', True), ('dark', False)])
def test_light_and_dark(browser, page, theme, bright):
    browser.open(page, f'#{theme}')
    browser.wait("document.querySelector('img.photo')?.complete")
    pixels = np.array(Image.open(io.BytesIO(browser.screenshot())).convert('L'))
    assert (np.median(pixels) > 128) == bright
    # Text stands out from what lies beneath it: contrast by WCAG of ink and soft ink.
    for selector in ('body', '.card .name', '#save'):
        ratio = browser.run(CONTRAST.format(selector=selector))
        assert ratio > 4.5, (selector, ratio)


CONTRAST = """(() => {{
  const light = (text) => {{
    const [r, g, b] = text.match(/[\\d.]+/g).map((v) => v / 255).map(
      (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }};
  let node = document.querySelector('{selector}');
  const ink = light(getComputedStyle(node).color);
  while (getComputedStyle(node).backgroundColor === 'rgba(0, 0, 0, 0)') node = node.parentNode;
  const paper = light(getComputedStyle(node).backgroundColor);
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
}})()"""
