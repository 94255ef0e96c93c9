"""Image-level labels from the ``cls_labels.npy`` files of other methods, read as data only.

Such a file is a pickled dictionary of NumPy arrays, and unpickling runs whatever the file says. The
reader here never calls into NumPy's or anybody's reconstruction code: the few names a dictionary of
arrays needs are bound to stand-ins that store bytes, and every other name is refused.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from ..names import clean_path
from .rows import ForegroundClasses, LabelRow

_NUMBERS = 'biuf'


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
    content = _unwrap(_ArrayUnpickler(file, encoding='latin1').load())
    if not isinstance(content, dict):
        raise ValueError(f'holds a {type(content).__name__}, not a dictionary')
    return {_unwrap(name): _unwrap(value) for name, value in content.items()}


class _Dtype:
    """Stand-in for ``numpy.dtype``: keeps the type code and the byte order."""

    def __init__(self, code: str, *_flags) -> None:
        self.code = code
        self.order: Literal['<', '>', '='] = '='

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1] if state[1] in '<>=' else '='

    def resolve(self) -> np.dtype:
        dtype = np.dtype(self.code).newbyteorder(self.order)
        if dtype.kind not in _NUMBERS:
            raise ValueError(f'holds an array of {dtype}, only numbers are read')
        return dtype


class _Array:
    """Stand-in for ``numpy.ndarray``: keeps shape, type and bytes."""

    def __init__(self, *_reconstruct_arguments) -> None:
        self.shape, self.dtype, self.fortran, self.data = (0,), _Dtype('f4'), False, b''

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.dtype, self.fortran, self.data = state

    def resolve(self) -> Any:
        if self.dtype.code in ('O', 'O8') and self.shape == ():
            return self.data[0]  # the 0-d object array around the dictionary
        data = self.data.encode('latin1') if isinstance(self.data, str) else self.data
        return np.frombuffer(data, self.dtype.resolve()).reshape(
            self.shape, order='F' if self.fortran else 'C'
        )


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype.resolve())[0]


def _from_buffer(data: bytes, dtype: _Dtype, shape: tuple, order: Literal['C', 'F']) -> np.ndarray:
    return np.frombuffer(data, dtype.resolve()).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
    if encoding != 'latin1':
        raise ValueError(f'unexpected encoding {encoding!r}')
    return text.encode('latin1')


_STAND_INS = {
    ('numpy', 'ndarray'): _Array,
    ('numpy', 'dtype'): _Dtype,
    ('_codecs', 'encode'): _encode,
    **{(f'numpy.{core}.multiarray', '_reconstruct'): _Array for core in ('core', '_core')},
    **{(f'numpy.{core}.multiarray', 'scalar'): _scalar for core in ('core', '_core')},
    **{(f'numpy.{core}.numeric', '_frombuffer'): _from_buffer for core in ('core', '_core')},
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise ValueError(
                f'its pickle asks for {module}.{name}; only NumPy arrays in a dictionary are read'
            )
        return _STAND_INS[module, name]


def _unwrap(value: Any) -> Any:
    return value.resolve() if isinstance(value, _Array) else value
