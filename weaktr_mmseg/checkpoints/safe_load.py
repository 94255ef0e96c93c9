"""Reading of PyTorch files without running anything stored in them.

A checkpoint is a pickle, and a pickle may call any function. Here it may name only what tensors,
arrays, plain containers and mmengine's log history are made of; anything else is refused before it
is called. ``weights_only=True`` of PyTorch does the same but refuses what mmengine's own
checkpoints hold, and mmengine then falls back to running everything. Importing the package puts
these readers in the place of mmengine's for files and for http(s) addresses.
"""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from ..utils.errors import WeakTrInputError, WeakTrMissingFileError

#: Module -> names that a checkpoint may use.
ALLOWED = {
    'argparse': {'Namespace'},
    'builtins': {'bytearray', 'complex', 'frozenset', 'set'},
    '__builtin__': {'bytearray', 'complex', 'frozenset', 'set'},
    'collections': {'Counter', 'OrderedDict', 'defaultdict'},
    '_codecs': {'encode'},
    'mmengine.logging.history_buffer': {'HistoryBuffer'},
    'numpy': {'dtype', 'ndarray'},
    'numpy.core.multiarray': {'_reconstruct', 'scalar'},
    'numpy._core.multiarray': {'_reconstruct', 'scalar'},
    'torch': {'Size', 'device'},
    'torch._utils': {'_rebuild_parameter', '_rebuild_tensor', '_rebuild_tensor_v2'},
    'torch.nn.parameter': {'Parameter'},
}
_HASH = re.compile(r'-([a-f0-9]{8,})\.')


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        is_dtype = module == 'torch' and isinstance(getattr(torch, name, None), torch.dtype)
        if is_dtype or name in ALLOWED.get(module, ()):
            return super().find_class(module, name)
        if name == 'getattr' and module in ('builtins', '__builtin__'):
            return _statistic
        raise pickle.UnpicklingError(f'it asks for {module}.{name}')


def _statistic(owner: Any, name: str) -> Any:
    """A method of mmengine's log history, the one attribute that its checkpoints ask for."""
    if owner is HistoryBuffer and not name.startswith('_'):
        return getattr(owner, name)
    raise pickle.UnpicklingError(f'it asks for attribute {name} of {owner}')


def _restricted_pickle() -> ModuleType:
    """What ``torch.load`` takes for the module ``pickle``."""
    module = ModuleType('restricted_pickle')
    module.Unpickler = _Unpickler  # type: ignore[attr-defined]
    module.load = lambda file, **options: _Unpickler(file, **options).load()  # type: ignore
    module.UnpicklingError = pickle.UnpicklingError  # type: ignore[attr-defined]
    return module


def load_file(path: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """Reads a checkpoint.

    Args:
        path: The file.
        map_location: As in ``torch.load``.

    Returns:
        Its content. The text under ``meta.config``, which mmengine would run as Python when it
        resumes, is left out.

    Raises:
        WeakTrMissingFileError: If there is no such file.
        WeakTrInputError: If it is no checkpoint, or holds anything but tensors and plain values.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise WeakTrMissingFileError(f'{path}: no such checkpoint')
    try:
        if zipfile.is_zipfile(path):
            _refuse_script(path)
        content = torch.load(
            path, map_location=map_location, pickle_module=_restricted_pickle(), weights_only=False
        )
    except Exception as error:  # what arbitrary bytes raise is arbitrary, too
        reason = (str(error).strip() or repr(error)).splitlines()[0].split('. ')[0]
        raise WeakTrInputError(
            f'{path}: refused, only tensors and plain values are read from a checkpoint ({reason})'
        ) from error
    meta = content.get('meta') if isinstance(content, dict) else None
    if isinstance(meta, dict):
        meta.pop('config', None)
    return content


def _refuse_script(path: Path) -> None:
    """PyTorch hands TorchScript archives to another, unrestricted reader."""
    with zipfile.ZipFile(path) as archive:
        if any(name.split('/')[-1] == 'constants.pkl' for name in archive.namelist()):
            raise pickle.UnpicklingError('it is a TorchScript program')


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """mmengine's reader of local checkpoints, by :func:`load_file`."""
    return load_file(filename, map_location)


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_http(url: str, map_location: Any = None, model_dir: str | None = None) -> Any:
    """mmengine's reader of checkpoints behind an address, by :func:`load_file`.

    Args:
        url: The address. A name such as ``resnet-0123abcd.pth`` states the start of the content's
            SHA-256, which is checked.
        map_location: As in ``torch.load``.
        model_dir: Where the file is kept; None for PyTorch's cache.

    Raises:
        WeakTrInputError: As :func:`load_file`, or if it cannot be downloaded.
    """
    name = Path(urlparse(url).path).name
    path = Path(model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints')) / name
    if int(os.environ.get('LOCAL_RANK', 0)) == 0 and not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = _HASH.search(name)
        try:
            torch.hub.download_url_to_file(url, str(path), found and found[1])
        except (OSError, RuntimeError, ValueError) as error:
            raise WeakTrInputError(f'{url}: cannot be downloaded: {error}') from error
    barrier()
    return load_file(path, map_location)
