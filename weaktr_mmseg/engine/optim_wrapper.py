"""Mixed precision where the machine has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn

from ..utils.errors import WeakTrInputError
from ..utils.precision import best_precision, check_precision


class BFloat16OptimWrapper(OptimWrapper):
    """Forward passes in bfloat16, on a GPU or a CPU.

    Parameters, gradients and the optimizer stay in float32; bfloat16 has the range of float32, so
    that no loss is scaled. mmengine's ``AmpOptimWrapper`` refuses CPUs and ``torch.compile``.

    Args:
        device_type: ``'cuda'`` or ``'cpu'``.
        **kwargs: Arguments of mmengine's ``OptimWrapper``.
    """

    def __init__(self, device_type: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.device_type = device_type

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Context of a forward pass."""
        with super().optim_context(model), torch.autocast(self.device_type, torch.bfloat16):
            yield


@OPTIM_WRAPPERS.register_module(name='WeakTrOptimWrapper')
def build_optim_wrapper(precision: str = 'auto', **kwargs: Any) -> OptimWrapper:
    """Builds the optimizer wrapper for a precision.

    Args:
        precision: ``'bfloat16'``, ``'float16'`` (GPUs only, with a scaled loss), ``'float32'``, or
            ``'auto'``: on a GPU bfloat16 if it has it, else float16; on a CPU with avx512_bf16 or
            amx_bf16 bfloat16; else float32.
        **kwargs: Arguments of mmengine's ``OptimWrapper``.

    Raises:
        WeakTrInputError: If the precision is unknown, or the machine does not have it.

    Examples:
        >>> optimizer = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.1)
        >>> type(build_optim_wrapper('float32', optimizer=optimizer)).__name__
        'OptimWrapper'
    """
    check_precision(precision, 'optim_wrapper.precision')
    gpu = torch.cuda.is_available()
    if precision == 'auto':
        precision = best_precision()
    if precision == 'float32':
        return OptimWrapper(**kwargs)
    if precision == 'bfloat16':
        return BFloat16OptimWrapper(device_type='cuda' if gpu else 'cpu', **kwargs)
    if not gpu:
        raise WeakTrInputError(
            'optim_wrapper.precision: float16 needs a GPU and there is none; set '
            "optim_wrapper.precision='auto'"
        )
    return AmpOptimWrapper(dtype=precision, **kwargs)
