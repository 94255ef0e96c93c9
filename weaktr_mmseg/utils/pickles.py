"""Pickles read without running anything stored in them."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

_NUMPY_CORE = np.zeros(0).__reduce__()[0].__module__.rpartition('.')[0]  # its place varies
#: Module -> names that a pickle may use.
ALLOWED = {
    'argparse': {'Namespace'},
    'builtins': {'bytearray', 'complex', 'frozenset', 'set'},
    '__builtin__': {'bytearray', 'complex', 'frozenset', 'set'},
    'collections': {'Counter', 'OrderedDict', 'defaultdict'},
    '_codecs': {'encode'},
    'mmengine.logging.history_buffer': {'HistoryBuffer'},
    'numpy': {'dtype', 'ndarray'},
    f'{_NUMPY_CORE}.multiarray': {'_reconstruct', 'scalar'},
    f'{_NUMPY_CORE}.numeric': {'_frombuffer'},
    'torch': {'Size', 'device'},
    'torch._utils': {'_rebuild_parameter', '_rebuild_tensor', '_rebuild_tensor_v2'},
    'torch.nn.parameter': {'Parameter'},
}


class SafeUnpickler(pickle.Unpickler):
    """Reads what tensors, arrays, plain containers and mmengine's log history are made of.

    A pickle may name any function and call it; anything else than these is refused before it is
    called.
    """

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for.

        Raises:
            pickle.UnpicklingError: If it is none of :data:`ALLOWED`.
        """
        module = re.sub(r'^numpy\._?core(?=\.)', _NUMPY_CORE, module)
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
