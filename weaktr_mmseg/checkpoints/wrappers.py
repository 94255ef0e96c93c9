"""Where the parameters stand in a file, and what training puts in front of their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .names import StateDict

STATE_KEYS = ('state_dict', 'model', 'module', 'model_state_dict', 'net')
#: Of DistributedDataParallel, ``torch.compile`` and Lightning, in any order.
WRAPPERS = ('module.', '_orig_mod.', 'model.')


def find_parameters(content: Any) -> StateDict | None:
    """Finds the parameters in a checkpoint, at the top or below a customary key.

    Args:
        content: Of the file.

    Returns:
        Parameters by the names that they have in the network, or None if there are none.

    Examples:
        >>> import torch
        >>> list(find_parameters(dict(model={'_orig_mod.module.a.weight': torch.zeros(1)})))
        ['a.weight']
    """
    if not isinstance(content, Mapping):
        return None
    for key in STATE_KEYS:
        if isinstance(content.get(key), Mapping):
            return find_parameters(content[key])
    if not content or not all(isinstance(value, Tensor) for value in content.values()):
        return None
    return _unwrapped(content)


def _unwrapped(state: Mapping[str, Tensor]) -> StateDict:
    for wrapper in WRAPPERS:
        if all(name.startswith(wrapper) for name in state):
            return _unwrapped({name.removeprefix(wrapper): state[name] for name in state})
    return dict(state)
