"""Documentation that points somewhere points to something that exists."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from weaktr_mmseg.pipeline.options import DEFAULTS, LABEL_KEYS, PIPELINE_KEYS
from weaktr_mmseg.pipeline.stage_configs import SHARED_KEYS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md'), *ROOT.glob('tests/data/**/*.md')])
LINK = re.compile(r'(?<!`)!?\[[^\]\n]*\]\(([^)\s]+)\)')
FILE = re.compile(r'(?<![\w/.-])((?:tools|configs)/[\w/.-]+\.(?:py|sh))')
COMMAND = re.compile(r'(?:tools/|-m weaktr_mmseg )(\w+)(?:\.py)? ([^`|&#\n]*)')
CODE = re.compile(r'```.*?```|`[^`\n]*`', re.DOTALL)


def slug(heading: str) -> str:
    """The anchor that MkDocs gives a heading."""
    text = re.sub(r'[^\w\s-]', '', heading.replace('`', '').lower()).strip()
    return re.sub(r'[-\s]+', '-', text)


def anchors(page: Path) -> set[str]:
    text = re.sub(r'```.*?```', '', page.read_text(encoding='utf-8'), flags=re.DOTALL)
    return {slug(heading) for heading in re.findall(r'^#+ (.*)$', text, re.M)}


def links() -> list:
    found = []
    for page in PAGES:
        text = CODE.sub('', page.read_text(encoding='utf-8'))
        for target in LINK.findall(text):
            if not re.match(r'[a-z]+:', target):
                name = f'{page.relative_to(ROOT)}-{target}'
                found.append(pytest.param(page, target, id=name))
    return found


@pytest.mark.parametrize(('page', 'target'), links())
def test_relative_link(page, target):
    path, _, anchor = unquote(target).partition('#')
    file = (page.parent / path) if path else page
    assert file.exists(), f'{page.relative_to(ROOT)} links to {target}'
    if anchor:
        assert anchor in anchors(file), f'{page.relative_to(ROOT)} links to {target}'


def test_every_key_of_a_pipeline_is_documented():
    page = (ROOT / 'docs/configuration.md').read_text(encoding='utf-8')
    for key in (*PIPELINE_KEYS, *DEFAULTS, *SHARED_KEYS, *LABEL_KEYS):
        assert f'`{key}`' in page, key


def test_every_key_that_the_pipeline_reads_is_documented():
    page = (ROOT / 'docs/configuration.md').read_text(encoding='utf-8')
    sources = (
        file.read_text(encoding='utf-8') for file in (ROOT / 'weaktr_mmseg/pipeline').rglob('*.py')
    )
    pattern = re.compile(r"(?:pseudo_labels|options)(?:\.get\(|\[)'(\w+)'")
    keys = {key for source in sources for key in pattern.findall(source)} | set(DEFAULTS)
    assert {'score_split', 'workers', 'retrain'} <= keys
    assert not {key for key in keys if f'`{key}`' not in page}


def test_files_that_the_docs_name_exist():
    for page in PAGES:
        for name in re.findall(
            r'(?<![\w/.-])((?:tools|configs)/[\w/.-]+\.(?:py|sh))', page.read_text(encoding='utf-8')
        ):
            assert (ROOT / name).is_file(), f'{page.relative_to(ROOT)} names {name}'


def options_of_tools() -> dict[str, set[str]]:
    """Options that the pages give each tool, ``python tools/NAME.py ... --option``."""
    found: dict[str, set[str]] = {}
    for page in PAGES:
        text = page.read_text(encoding='utf-8').replace('\\\n', ' ')
        for name, rest in COMMAND.findall(text):
            if (ROOT / f'tools/{name}.py').is_file():
                found.setdefault(name, set()).update(re.findall(r'(?<!\S)--[\w-]+', rest))
    return {name: options for name, options in found.items() if options}


def test_pages_use_options_of_most_tools():
    assert len(options_of_tools()) > 10


@pytest.mark.parametrize(('name', 'options'), sorted(options_of_tools().items()))
def test_options_that_the_pages_give_a_tool_exist(name, options):
    command = [sys.executable, str(ROOT / f'tools/{name}.py'), '--help']
    usage = subprocess.run(command, capture_output=True, encoding='utf-8', check=True).stdout
    known = set(re.findall(r'--[\w-]+', usage))
    assert options <= known, sorted(options - known)


def test_formulas_become_mathml():
    pytest.importorskip('latex2mathml')
    spec = importlib.util.spec_from_file_location('mathml', ROOT / 'docs/hooks/mathml.py')
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    inline = hook.on_page_content(r'<p><span class="arithmatex">\(a &lt; b\)</span></p>')
    assert inline.startswith('<p><math') and 'display="inline"' in inline
    assert '&#x0003C;' in inline or '&lt;' in inline
    block = hook.on_page_content('<div class="arithmatex">\\[\n\\frac{1}{2}\n\\]</div>')
    assert 'mfrac' in block and 'display="block"' in block and 'arithmatex' not in block
