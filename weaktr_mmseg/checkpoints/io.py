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
from .safe_load import META_KEY, import_safetensors, load_file
from .wrappers import STATE_KEYS, find_parameters


class Checkpoint(NamedTuple):
    """What every tool takes from a file of weights.

    Attributes:
        state_dict: Parameters by name on the CPU, without what training puts in front, see
            :func:`find_parameters`.
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
    state = find_parameters(content)
    if state is None:
        keys = f' with keys {list(content)[:5]}' if isinstance(content, Mapping) else ''
        raise WeakTrInputError(
            f'{path}: expected parameters by name, at the top or below one of {list(STATE_KEYS)}, '
            f'but got {type(content).__name__}{keys}'
        )
    meta = content.get('meta')
    return Checkpoint(state, dict(meta) if isinstance(meta, Mapping) else {})


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
    save_file = import_safetensors(path).save_file
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with atomic_path(path) as temporary:
        save_file(state, temporary, {'format': 'pt', META_KEY: json.dumps(meta)})
