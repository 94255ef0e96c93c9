"""Which classes the labels of masks stand for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...datasets.building import build_dataset
from ...datasets.label_sources.class_discovery import BACKGROUND, CLASS_FILE
from ...utils.configs import LOADERS, read_config
from ...utils.errors import WeakTrInputError, input_errors
from ...utils.masks import IGNORE_INDEX

_SCORE_FILES = ('areas.json', 'scores_masks.json', 'scores_val.json')
_LEVELS = 3  # folders above the masks that are searched


def read_classes(given: Sequence[str]) -> list[str]:
    """Class names from the command line, or from a file.

    Args:
        given: The names, or one file: ``.txt`` with a name a line, ``.json`` with ``classes`` (as
            ``areas.json`` has), or ``.py``, a config. The background may be left out of names and
            ``.txt``.

    Returns:
        The names, background first; the label of a class is its index.

    Raises:
        WeakTrInputError: If there is no name, one occurs twice, or the file has none.

    Examples:
        >>> read_classes(['cat', 'dog'])
        ['background', 'cat', 'dog']
    """
    where, names = '--classes', [str(name).strip() for name in given]
    if len(names) == 1 and Path(names[0]).suffix in ('.txt', '.json', '.py'):
        where = names[0]
        found = _from_file(Path(where))
        if found is None:
            raise WeakTrInputError(f'{where}: expected the names of classes, found none')
        names = found
    return _checked(names, where)


def find_classes(masks: str | Path) -> list[str]:
    """Class names that lie near a folder of masks.

    Searched are this folder and the three above, each for ``areas.json`` of ``tools/infer.py``, the
    scores of a run, ``classes.txt``, and the config that a run dumped.

    Raises:
        WeakTrInputError: If nothing near names classes.
    """
    folder = Path(masks).resolve()
    for place in (folder, *list(folder.parents)[:_LEVELS]):
        for file in _candidates(place):
            names = _from_file(file)
            if names is not None:
                return _checked(names, str(file))
    raise WeakTrInputError(
        f'{masks}: no file near it names the classes; give them with --classes, as names, '
        'classes.txt or the config of the run'
    )


def _candidates(folder: Path) -> Iterator[Path]:
    yield from (file for name in (*_SCORE_FILES, CLASS_FILE) if (file := folder / name).is_file())
    yield from sorted(folder.glob('*.py'), key=lambda path: path.stat().st_mtime, reverse=True)


def _from_file(file: Path) -> list[str] | None:
    """Names in a file; None if it is readable and has none."""
    if file.suffix == '.py':
        return _of_config(file)
    with input_errors(str(file)):
        text = file.read_text(encoding='utf-8-sig')
        if file.suffix == '.txt':
            return [line.strip() for line in text.splitlines() if line.strip()] or None
        content = json.loads(text)
    names = content.get('classes') if isinstance(content, dict) else None
    return list(names) if names else None


def _of_config(file: Path) -> list[str] | None:
    cfg = read_config(file)
    for key in reversed(LOADERS):
        loader = cfg.get(key)
        if isinstance(loader, Mapping) and 'dataset' in loader:
            with input_errors(str(file)):
                built = build_dataset(loader['dataset'], lazy_init=True, pipeline=[])
            return list(built.metainfo.get('classes') or ()) or None
    return None


def _checked(names: Sequence[str], where: str) -> list[str]:
    if not all(isinstance(name, str) and name and name.isprintable() for name in names):
        raise WeakTrInputError(f'{where}: expected printable class names, got {list(names)}')
    classes = list(names) if names[:1] == [BACKGROUND] else [BACKGROUND, *names]
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice or not 1 < len(classes) <= IGNORE_INDEX:
        problem = f'{twice[0]!r} occurs twice' if twice else f'{len(classes) - 1} classes'
        raise WeakTrInputError(f'{where}: expected 1 to 254 different classes, got {problem}')
    return classes
