"""What the reference pages list is read from the code when the site is built."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'weaktr_mmseg'
# Modules beside the sub-packages.
FOUNDATION = ('__main__', 'version')
MODULE = '::: weaktr_mmseg.{}\n    options: {{ show_root_heading: true, heading_level: 2 }}'
DIRECTIVE = '::: {}\n    options: {{ show_root_heading: true, heading_level: 3, members: false }}'


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fills ``{{ registered: PACKAGE... }}``, ``{{ modules: PACKAGE }}`` and ``{{ imports }}``."""
    markdown = re.sub(r'\{\{ modules: (.*?) \}\}', _module_reference, markdown)
    markdown = re.sub(r'\{\{ registered: (.*?) \}\}', _registered, markdown)
    return markdown.replace('{{ imports }}', _import_table())


def registered_classes(package: str) -> Iterator[str]:
    """Dotted names of the classes below a sub-package that stand in a registry."""
    for path in sorted((PACKAGE / package).rglob('*.py')):
        module = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            if isinstance(node, ast.ClassDef) and 'register_module' in ''.join(
                ast.unparse(decorator) for decorator in node.decorator_list
            ):
                yield f'{module}.{node.name}'


def modules() -> dict[str, set[str]]:
    """For each module of the package the other modules that it imports, ``datasets.voc12``."""
    paths = sorted(PACKAGE.rglob('*.py'))
    names = {_dotted(path): path for path in paths}
    return {name: set(_imported(path, set(names))) - {name} for name, path in names.items()}


def imports() -> dict[str, set[str]]:
    """For each sub-package the other sub-packages that its modules import."""
    found: dict[str, set[str]] = {}
    for module, targets in modules().items():
        part = module.split('.')[0]
        if part and part not in FOUNDATION:
            others = {target.split('.')[0] for target in targets} - {part, '', *FOUNDATION}
            found.setdefault(part, set()).update(others)
    return found


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def _imported(path: Path, known: set[str]) -> Iterator[str]:
    """Modules that a file imports; of ``from .a import b`` that is ``a.b`` if it is a module."""
    parts = ('weaktr_mmseg', *path.relative_to(PACKAGE).with_suffix('').parts)
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = parts[: len(parts) - node.level] if node.level else ()
        base += tuple((node.module or '').split('.')) if node.module else ()
        if base[:1] != ('weaktr_mmseg',):
            continue
        module = '.'.join(base[1:])
        for alias in node.names:
            submodule = f'{module}.{alias.name}'.lstrip('.')
            yield submodule if submodule in known else module


def _module_reference(found: re.Match) -> str:
    names = (name for name in modules() if name.startswith(f'{found[1]}.'))
    return '\n'.join(MODULE.format(name) for name in names)


def _registered(found: re.Match) -> str:
    names = (name for package in found[1].split() for name in registered_classes(package))
    return '\n'.join(DIRECTIVE.format(name) for name in names)


def _import_table() -> str:
    parts = imports()
    order = sorted(parts, key=lambda part: (len(reachable(part, parts)), part))
    rows = ['| sub-package | imports |', '|---|---|']
    for part in order:
        targets = sorted(parts[part], key=order.index)
        rows.append(f'| `{part}` | {", ".join(f"`{t}`" for t in targets) or "nothing"} |')
    return '\n'.join(rows)


def reachable(name: str, graph: dict[str, set[str]]) -> set[str]:
    """Everything that a name leads to, directly or not."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        new = graph.get(waiting.pop(), set()) - seen
        seen |= new
        waiting.extend(new)
    return seen
