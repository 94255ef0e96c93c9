"""A headless Chromium, driven by the WebDriver protocol."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
CHROMEDRIVER = shutil.which('chromedriver')
KEYS = dict(
    Tab='\ue004',
    Enter='\ue007',
    Escape='\ue00c',
    End='\ue010',
    Home='\ue011',
    Left='\ue012',
    Up='\ue013',
    Right='\ue014',
    Down='\ue015',
)
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason='needs chromium and chromedriver'
)


class Browser:
    """One window."""

    def __init__(self, server: str, folder: Path) -> None:
        self.folder = folder
        arguments = ['--headless=new', '--no-sandbox', '--disable-gpu', '--window-size=1100,800']
        chrome = dict(binary=CHROMIUM, args=arguments)
        chrome['prefs'] = {'download.default_directory': str(folder)}
        wanted = {'goog:chromeOptions': chrome, 'goog:loggingPrefs': {'browser': 'ALL'}}
        self.url = server
        self.url = f'{server}/session/' + self._new_session(wanted)

    def _new_session(self, wanted: dict[str, Any]) -> str:
        return self._send('session', capabilities=dict(alwaysMatch=wanted))['sessionId']

    def _send(self, path: str, method: str = 'POST', **content: Any) -> Any:
        body = json.dumps(content).encode() if method == 'POST' else None
        request = Request(f'{self.url}/{path}', body, {'Content-Type': 'application/json'})
        request.method = method
        try:
            with urlopen(request, timeout=60) as answer:
                return json.load(answer)['value']
        except HTTPError as error:
            raise RuntimeError(f'{path}: {error.read().decode()[:500]}') from None

    def open(self, page: Path, fragment: str = '') -> None:
        self._send('url', url='about:blank')
        self._send('url', url=page.resolve().as_uri() + fragment)

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression."""
        return self._send('execute/sync', script=f'return {script}', args=[])

    def press(self, *keys: str) -> None:
        """Types, with names of keys such as 'Enter' among the characters."""
        actions = []
        for key in keys:
            for kind in ('keyDown', 'keyUp'):
                actions.append(dict(type=kind, value=KEYS.get(key, key)))
        self._send('actions', actions=[dict(type='key', id='keyboard', actions=actions)])

    def click(self, selector: str) -> None:
        found = self._send('element', using='css selector', value=selector)
        self._send(f'element/{next(iter(found.values()))}/click')

    def wait(self, script: str, seconds: float = 10) -> Any:
        """First true value of a JavaScript expression."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f'never true: {script}'
            time.sleep(0.05)
        return value

    def complaints(self) -> list[str]:
        """What the page wrote to the console."""
        return [entry['message'] for entry in self._send('se/log', type='browser')]

    def download(self, name: str) -> str:
        end = time.monotonic() + 10
        while not (self.folder / name).is_file():
            assert time.monotonic() < end, f'{name} was not saved'
            time.sleep(0.05)
        return (self.folder / name).read_text(encoding='utf-8')

    def screenshot(self) -> bytes:
        return base64.b64decode(self._send('screenshot', 'GET'))


@contextmanager
def started_browser(folder: Path) -> Iterator[Browser]:
    """A browser that saves what it downloads in a folder."""
    driver = subprocess.Popen([CHROMEDRIVER, '--port=0'], stdout=subprocess.PIPE, encoding='utf-8')
    try:
        for line in driver.stdout:
            if port := re.search(r'started successfully on port (\d+)', line):
                break
        browser = Browser(f'http://127.0.0.1:{port[1]}', folder)
        yield browser
        browser._send('window', 'DELETE')
    finally:
        driver.terminate()
        driver.wait()
