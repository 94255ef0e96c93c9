"""Reading and writing of checkpoint files without executing anything stored in them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..utils.errors import WeakTrInputError
from ..utils.files import atomic_path
from .names import StateDict
from .safe_load import META_KEY, load_file

STATE_KEYS = ('state_dict', 'model', 'module')
WRAPPER = 'module.'  # of DistributedDataParallel


class Checkpoint(NamedTuple):
    """What every tool takes from a file of weights.

    Attributes:
        state_dict: Parameters by name on the CPU, without the ``module.`` of distributed training.
        meta: ``meta`` of mmengine, with keys such as ``dataset_meta``; empty if there is none.
    """

    state_dict: StateDict
    meta: dict[str, Any]


def read_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Reads weights, the one way for all tools.

    The parameters may stand at the top or below a customary key, with or without ``meta``, in a
    PyTorch file, ``.npz`` or ``.safetensors``. Pickled objects are refused.

    Args:
        path: The file.

    Raises:
        WeakTrMissingFileError: If there is no such file.
        WeakTrInputError: If the file is no checkpoint, holds objects other than tensors and plain
            values, or holds no parameters.
    """
    content = load_file(path, 'cpu')
    state = _find_state(content, path)
    meta = content.get('meta') if isinstance(content, Mapping) else None
    if state and all(name.startswith(WRAPPER) for name in state):
        state = {name.removeprefix(WRAPPER): tensor for name, tensor in state.items()}
    return Checkpoint(dict(state), dict(meta) if isinstance(meta, Mapping) else {})


def load_state_dict(path: str | os.PathLike) -> StateDict:
    """Reads the parameters of a checkpoint alone, see :func:`read_checkpoint`."""
    return read_checkpoint(path).state_dict


def parameters_digest(path: str | os.PathLike) -> bytes:
    """Identifies the parameters in a checkpoint, whatever else (dates, configs) the file holds.

    Args:
        path: See :func:`read_checkpoint`, with the errors that it raises.

    Returns:
        16 bytes that follow from names, shapes, dtypes and values.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(load_state_dict(path).items()):
        digest.update(f'{name} {tuple(tensor.shape)} {tensor.dtype} '.encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return digest.digest()


def save_state_dict(state: Mapping[str, Tensor], path: str | os.PathLike, meta: dict) -> None:
    """Writes parameters as mmengine does, under a temporary name that is then replaced.

    Args:
        state: Parameters by name.
        path: The file; its folder is made if it does not exist.
        meta: Plain values that tell where the parameters come from.
    """
    state = {name: tensor.contiguous().clone() for name, tensor in state.items()}
    with atomic_path(path) as temporary:
        torch.save(dict(meta=meta, state_dict=state), temporary)


def save_safetensors(state: Mapping[str, Tensor], path: str | os.PathLike, meta: dict) -> None:
    """Writes parameters without any pickle, under a temporary name that is then replaced.

    Args:
        state: Parameters by name.
        path: The file; its folder is made if it does not exist.
        meta: Values that JSON knows; :func:`read_checkpoint` gives them back.

    Raises:
        WeakTrInputError: If the package ``safetensors`` is not installed.
    """
    try:
        from safetensors.torch import save_file
    except ImportError:
        raise WeakTrInputError(
            f'{path}: safetensors files need a package of that name: pip install safetensors'
        ) from None
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with atomic_path(path) as temporary:
        save_file(state, temporary, {'format': 'pt', META_KEY: json.dumps(meta)})


def _find_state(checkpoint: Any, path: str | os.PathLike) -> Mapping[str, Tensor]:
    """Returns the parameters of a checkpoint, which may be nested below a customary key."""
    if isinstance(checkpoint, Mapping):
        for key in STATE_KEYS:
            if isinstance(checkpoint.get(key), Mapping):
                return _find_state(checkpoint[key], path)
        tensors = {name: value for name, value in checkpoint.items() if isinstance(value, Tensor)}
        if tensors and len(tensors) == len(checkpoint):
            return tensors
    raise WeakTrInputError(
        f'{path}: expected parameters by name, at the top or below one of {list(STATE_KEYS)}, '
        f'but got {type(checkpoint).__name__}'
        + (f' with keys {list(checkpoint)[:5]}' if isinstance(checkpoint, Mapping) else '')
    )
