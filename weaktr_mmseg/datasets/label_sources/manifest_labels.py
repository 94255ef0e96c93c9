"""Image-level labels from a table that a person can write: CSV or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..file_index import normalise_name


def manifest(path: str, classes, sample_ids: Sequence[str] | None = None) -> dict[str, list[int]]:
    """Read a manifest.

    CSV has the columns ``image`` and ``labels``, where labels are names joined by ``;``. JSON is
    ``{"photo.jpg": ["cat", "dog"]}`` or ``[{"image": "photo.jpg", "labels": ["cat"]}]``.

    Args:
        path: The ``.csv`` or ``.json`` file, UTF-8.
        classes: The known classes.
        sample_ids: Not used, the whole file is read.

    Returns:
        Image name as written -> its foreground ids.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file has another form, an unknown label, or an image twice.
    """
    labels: dict[str, list[int]] = {}
    for name, names, where in read_manifest(path):
        if name in labels:
            raise ValueError(f"{where}: image '{name}' is listed a second time")
        labels[name] = classes.ids(names, where)
    return labels


def read_manifest(path: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield ``(image name, label names, place in the file)`` for every row of a manifest.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file has neither the CSV nor the JSON form.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f'label manifest not found: {file}')
    readers = {'.csv': _csv_rows, '.json': _json_rows}
    if file.suffix.lower() not in readers:
        raise ValueError(f'{file}: a label manifest ends in .csv or .json')
    try:
        text = file.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{file}: must be UTF-8: {error}') from None
    try:
        yield from readers[file.suffix.lower()](file, text)
    except csv.Error as error:
        raise ValueError(f'{file}: {error}') from None


def _csv_rows(file: Path, text: str) -> Iterator[tuple[str, list[str], str]]:
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    header = [column.strip() for column in rows.fieldnames or []]
    if not {'image', 'labels'} <= set(header):
        raise ValueError(
            f'{file}: the first line must name the columns image,labels '
            f'(comma between columns, semicolon between labels), got {header}'
        )
    rows.fieldnames = header
    for row in rows:
        where = f'{file}, line {rows.line_num}'
        if not row['image'] or row['labels'] is None or None in row:
            raise ValueError(
                f'{where}: expected one cell a column ({",".join(header)}); labels '
                'are separated by semicolons'
            )
        yield normalise_name(row['image']), _clean(row['labels'].split(';')), where


def _json_rows(file: Path, text: str) -> Iterator[tuple[str, list[str], str]]:
    try:
        content = json.loads(text)
        rows = (
            content.items()
            if isinstance(content, dict)
            else [(row['image'], row['labels']) for row in content]
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f'{file}: expected {{"image": ["label", ...]}} or '
            f'[{{"image": ..., "labels": [...]}}]: {error!r}'
        ) from None
    for index, (image, names) in enumerate(rows):
        where = f'{file}, entry {index}'
        if not isinstance(names, list) or not all(isinstance(n, str) for n in (image, *names)):
            raise ValueError(
                f'{where}: expected an image name and a list of label names, got '
                f'{image!r}: {names!r}'
            )
        yield normalise_name(image), _clean(names), where


def _clean(names: Iterable[str]) -> list[str]:
    return [name.strip() for name in names if name.strip()]
