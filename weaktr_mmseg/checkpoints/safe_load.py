"""Reading of files with weights without running anything stored in them.

A checkpoint is a pickle, and a pickle may call any function; :class:`SafeUnpickler` reads it.
``weights_only=True`` of PyTorch does the same but refuses what mmengine's own checkpoints hold, and
mmengine then falls back to running everything. :func:`use_safe_readers` puts these readers in the
place of mmengine's for files and for http(s) addresses.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from ..utils.errors import WeakTrError, WeakTrInputError, WeakTrMissingFileError
from ..utils.optional import import_optional
from ..utils.pickles import SafeUnpickler
from .download import locate
from .wrappers import find_parameters

#: Key of the metadata of a ``.safetensors`` file under which ``meta`` is kept, as JSON.
META_KEY = 'weaktr_meta'


def _restricted_pickle() -> ModuleType:
    """What ``torch.load`` takes for the module ``pickle``."""
    module = ModuleType('restricted_pickle')
    module.Unpickler = SafeUnpickler  # type: ignore[attr-defined]
    module.load = lambda file, **options: SafeUnpickler(file, **options).load()  # type: ignore
    module.UnpicklingError = pickle.UnpicklingError  # type: ignore[attr-defined]
    return module


def load_file(path: str | os.PathLike, map_location: Any = None) -> Any:
    """Reads a file of weights: PyTorch's, ``.npz`` or ``.safetensors``, recognised by its content.

    Args:
        path: The file.
        map_location: As in ``torch.load``.

    Returns:
        Its content. The text under ``meta.config``, which mmengine would run as Python when it
        resumes, is left out. Arrays and safetensors give ``state_dict`` and ``meta``.

    Raises:
        WeakTrMissingFileError: If there is no such file.
        WeakTrInputError: If it is no checkpoint, holds anything but tensors and plain values, or
            needs the package ``safetensors``, which is not installed.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise WeakTrMissingFileError(f'{path}: no such checkpoint')
    try:
        content = _reader(path)(path, map_location)
    except WeakTrError:
        raise
    except Exception as error:  # what arbitrary bytes raise is arbitrary, too
        reason = (str(error).strip() or repr(error)).splitlines()[0].split('. ')[0]
        raise WeakTrInputError(
            f'{path}: refused, only tensors and plain values are read from a checkpoint ({reason})'
        ) from error
    meta = content.get('meta') if isinstance(content, dict) else None
    if isinstance(meta, dict):
        meta.pop('config', None)
    return content


def _reader(path: Path) -> Callable[[Path, Any], Any]:
    """Which of the readers a file needs, by its first bytes or the names in its archive."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.split('/')[-1] == 'constants.pkl' for name in names):
            # PyTorch hands these to another, unrestricted reader.
            raise pickle.UnpicklingError('it is a TorchScript program')
        return _read_arrays if any(name.endswith('.npy') for name in names) else _read_torch
    with path.open('rb') as file:
        start = file.read(9)
    if len(start) == 9 and start.endswith(b'{'):
        (header,) = struct.unpack('<Q', start[:8])
        return _read_safetensors if 0 < header < path.stat().st_size else _read_torch
    return _read_torch


def _read_torch(path: Path, map_location: Any) -> Any:
    return torch.load(
        path, map_location=map_location, pickle_module=_restricted_pickle(), weights_only=False
    )


def _read_arrays(path: Path, map_location: Any) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        state = {
            name: torch.from_numpy(arrays[name]).to(map_location or 'cpu') for name in arrays.files
        }
    return dict(state_dict=state, meta={})


def _read_safetensors(path: Path, map_location: Any) -> dict[str, Any]:
    with import_safetensors(path).safe_open(path, framework='pt', device='cpu') as file:
        names = file.keys()
        state = {name: file.get_tensor(name).to(map_location or 'cpu') for name in names}
        metadata = file.metadata() or {}
    return dict(state_dict=state, meta=json.loads(metadata.get(META_KEY, '{}')))


def import_safetensors(path: str | os.PathLike) -> ModuleType:
    """Imports ``safetensors.torch`` for a file.

    Raises:
        WeakTrInputError: If the package is not installed.
    """
    message = f'{path}: safetensors files need a package of that name: pip install safetensors'
    return import_optional('safetensors.torch', message)


def use_safe_readers() -> None:
    """Puts these readers in the place of mmengine's, for files and http(s) addresses.

    The command lines, the pipeline and :class:`WeakTrInferencer` call it. It is valid for the rest
    of the process and for every package that reads checkpoints by way of mmengine.
    """
    register = CheckpointLoader.register_scheme
    register(prefixes='', loader=load_from_disk, force=True)
    register(prefixes=('http://', 'https://'), loader=load_from_http, force=True)


def load_from_disk(path: str | os.PathLike, map_location: Any = None) -> Any:
    """Reads a file as mmengine expects it: the parameters, by their own names, as ``state_dict``.

    Args:
        path: The file.
        map_location: As in ``torch.load``.

    Raises:
        WeakTrInputError: As :func:`load_file`.
    """
    content = load_file(path, map_location)
    state = find_parameters(content)
    if state is None or state.keys() in (content.keys(), content.get('state_dict', {}).keys()):
        return content
    return dict(content, state_dict=state) if 'state_dict' in content else dict(state_dict=state)


def load_from_http(url: str, map_location: Any = None, model_dir: str | None = None) -> Any:
    """Downloads and reads a checkpoint.

    Args:
        url: The address. A name such as ``resnet-0123abcd.pth`` states the start of the content's
            SHA-256, which is checked.
        map_location: As in ``torch.load``.
        model_dir: Where the file is kept; None for PyTorch's cache.

    Raises:
        WeakTrInputError: As :func:`load_file`, or if it cannot be downloaded.
    """
    return load_from_disk(locate(url, model_dir), map_location)
