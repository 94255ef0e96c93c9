"""Image-level labels from a table that a person can write: CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...utils.files import read_text
from ..listing_cache import remember
from ..names import clean_label, clean_path
from .rows import ForegroundClasses, LabelRow


def manifest(
    path: str, classes: ForegroundClasses, sample_ids: Sequence[str] | None = None
) -> list[LabelRow]:
    """Reads a manifest.

    CSV has the columns ``image`` and ``labels``, where labels are names joined by ``;``. JSON is
    ``{"photo.jpg": ["cat", "dog"]}`` or ``[{"image": "photo.jpg", "labels": ["cat"]}]``.

    Args:
        path: The ``.csv`` or ``.json`` file, UTF-8.
        classes: Not used, rows have names.
        sample_ids: Not used, the whole file is read.

    Returns:
        The rows of :func:`read_manifest`.
    """
    return read_manifest(path)


def read_manifest(path: str) -> list[LabelRow]:
    """Reads every row of a manifest, in order.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file has neither the CSV nor the JSON form.
    """
    return remember(('manifest', str(path)), lambda: list(_rows(Path(path))))


def _rows(file: Path) -> Iterator[LabelRow]:
    if not file.is_file():
        raise FileNotFoundError(f'label manifest not found: {file}')
    readers = {'.csv': _csv_rows, '.json': _json_rows}
    if file.suffix.lower() not in readers:
        raise ValueError(f'{file}: a label manifest ends in .csv or .json')
    text = read_text(file)
    if '\0' in text:
        raise ValueError(f'{file}: no text; save the table as "CSV UTF-8"')
    try:
        yield from readers[file.suffix.lower()](file, text)
    except csv.Error as error:
        raise ValueError(f'{file}: {error}; is a quotation mark left open?') from None


def _csv_rows(file: Path, text: str) -> Iterator[LabelRow]:
    rows = csv.DictReader(io.StringIO(text, newline=''), skipinitialspace=True)
    header = [clean_label(column) for column in rows.fieldnames or []]
    if not {'image', 'labels'} <= set(header):
        raise ValueError(
            f'{file}: the first line must name the columns image,labels '
            f'(comma between columns, semicolon between labels), got {",".join(header)[:80]!r}'
        )
    others = [column for index, column in enumerate(header) if index != header.index('labels')]
    if more := [column for column in others if column.lower().startswith('label')]:
        raise ValueError(
            f"{file}: column '{more[0]}': all labels of an image stand in the column 'labels', "
            "separated by semicolons, as in 'cat;dog'"
        )
    rows.fieldnames = header
    for row in rows:
        where = f'{file}, line {rows.line_num}'
        if not (row['image'] or '').strip() or row['labels'] is None or None in row:
            raise ValueError(
                f'{where}: expected one cell a column ({",".join(header)}); labels '
                'are separated by semicolons'
            )
        if re.search(r'[\r\n]', row['image'].strip() + row['labels'].strip()):
            raise ValueError(
                f'{where}: a cell goes over several lines; close its quotation mark, and separate '
                'labels by semicolons'
            )
        yield LabelRow(clean_path(row['image']), _clean(row['labels'].split(';')), where)


def _json_rows(file: Path, text: str) -> Iterator[LabelRow]:
    try:
        content = json.loads(text, object_pairs_hook=_pairs)
        rows = (
            content.pairs
            if isinstance(content, _Pairs)
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
        yield LabelRow(clean_path(image), _clean(names), where)


class _Pairs(dict):
    """A JSON object that keeps entries of one key apart, which a dictionary would drop."""

    pairs: list[tuple]


def _pairs(pairs: list[tuple]) -> _Pairs:
    content = _Pairs(pairs)
    content.pairs = pairs
    return content


def _clean(names: Iterable[str]) -> list[str]:
    return [label for label in map(clean_label, names) if label]
