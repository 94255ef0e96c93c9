"""Image-level labels from the ``cls_labels.npy`` files of other methods, read as data only.

Such a file is a pickled dictionary of NumPy arrays, and NumPy would run whatever the pickle says.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...utils.pickles import SafeUnpickler
from ..names import clean_path
from .rows import ForegroundClasses, LabelRow

_NUMBERS = 'biuf'  # kinds of dtypes


def cls_labels(
    path: str, classes: ForegroundClasses, sample_ids: Sequence[str] | None = None
) -> list[LabelRow]:
    """Reads a dictionary of multi-hot vectors, ``{image name: (C,)}``.

    Args:
        path: The ``.npy`` file.
        classes: The known classes, in the order of the vectors.
        sample_ids: Not used, the whole file is read.

    Returns:
        A row for every image.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds anything but such a dictionary, or vectors of another length.
    """
    rows = []
    for name, vector in read_pickled_arrays(path).items():
        vector = np.asarray(vector)
        if vector.shape != (len(classes),):
            gaps = (
                ' (COCO category ids with gaps; take the labels from instances_*.json instead)'
                if len(classes) == 80 and vector.shape in ((90,), (91,))
                else ''
            )
            raise ValueError(
                f"{path}: the label of '{name}' has shape {vector.shape}, expected "
                f'({len(classes)},), one number a foreground class{gaps}'
            )
        present = [classes.names[index] for index in np.flatnonzero(vector)]
        rows.append(LabelRow(clean_path(str(name)), present, path))
    return rows


def read_pickled_arrays(path: str) -> dict[Any, Any]:
    """Reads a pickled dictionary of numeric arrays from an ``.npy`` file without executing it.

    Returns:
        The dictionary; its values are arrays or lists.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the pickle names anything but arrays, or the content is no dictionary.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'label file not found: {path}')
    try:
        return _load_dictionary(io.BytesIO(Path(path).read_bytes()))
    except pickle.UnpicklingError as error:
        reason = f'its pickle is refused, only NumPy arrays in a dictionary are read ({error})'
        raise ValueError(f'{path}: {reason}') from None
    except Exception as error:  # a malformed pickle can raise nearly anything
        raise ValueError(f'{path}: {error}') from None


def _load_dictionary(file: BinaryIO) -> dict[Any, Any]:
    version = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(file)
    if shape != () or not dtype.hasobject:
        raise ValueError(f'holds an array of {dtype} {shape}, not a dictionary')
    content = SafeUnpickler(file, encoding='latin1').load()
    if isinstance(content, np.ndarray) and content.size == 1:
        content = content.item()
    if not isinstance(content, dict):
        raise ValueError(f'holds a {type(content).__name__}, not a dictionary')
    for dtype in {np.asarray(value).dtype for value in content.values()}:
        if dtype.kind not in _NUMBERS:
            raise ValueError(f'holds an array of {dtype}, only numbers are read')
    return content
