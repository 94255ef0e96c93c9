"""Reading and writing of checkpoint files without executing anything stored in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..utils.files import atomic_path
from .names import StateDict
from .safe_load import load_file

STATE_KEYS = ('state_dict', 'model', 'module')


def load_state_dict(path: str | os.PathLike) -> StateDict:
    """Read the parameters of a ``.npz`` or PyTorch checkpoint.

    Pickled objects are refused, see :mod:`weaktr_mmseg.checkpoints.safe_load`.

    Args:
        path: the file.

    Returns:
        Parameters by name on the CPU, without the ``module.`` of distributed training.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no checkpoint, holds objects other than tensors and plain values,
            or holds no parameters.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    state = _load_npz(path) if path.suffix == '.npz' else _find_state(load_file(path), path)
    return {name.removeprefix('module.'): tensor for name, tensor in state.items()}


def parameters_digest(path: str | os.PathLike) -> bytes:
    """Identifies the parameters in a checkpoint, whatever else (dates, configs) the file holds.

    Args:
        path: see :func:`load_state_dict`, with the errors that it raises.

    Returns:
        16 bytes that follow from names, shapes, dtypes and values.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(load_state_dict(path).items()):
        digest.update(f'{name} {tuple(tensor.shape)} {tensor.dtype} '.encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return digest.digest()


def save_state_dict(state: Mapping[str, Tensor], path: str | os.PathLike, meta: dict) -> None:
    """Write parameters as mmengine does, under a temporary name that is then replaced.

    Args:
        state: parameters by name.
        path: the file; its folder is made if it does not exist.
        meta: plain values that tell where the parameters come from.
    """
    state = {name: tensor.contiguous().clone() for name, tensor in state.items()}
    with atomic_path(path) as temporary:
        torch.save(dict(meta=meta, state_dict=state), temporary)


def _load_npz(path: Path) -> StateDict:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except (ValueError, OSError, TypeError) as error:
        raise ValueError(f'{path}: cannot be read as arrays without pickle ({error})') from error


def _find_state(checkpoint: Any, path: Path) -> Mapping[str, Tensor]:
    """Return the parameters of a checkpoint, which may be nested below a customary key."""
    if isinstance(checkpoint, Mapping):
        for key in STATE_KEYS:
            if isinstance(checkpoint.get(key), Mapping):
                return _find_state(checkpoint[key], path)
        tensors = {name: value for name, value in checkpoint.items() if isinstance(value, Tensor)}
        if tensors and len(tensors) == len(checkpoint):
            return tensors
    raise ValueError(
        f'{path}: expected parameters by name, at the top or below one of {list(STATE_KEYS)}, '
        f'but got {type(checkpoint).__name__}'
        + (f' with keys {list(checkpoint)[:5]}' if isinstance(checkpoint, Mapping) else '')
    )
