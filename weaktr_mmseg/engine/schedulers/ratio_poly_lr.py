"""Learning rate of retraining."""

from __future__ import annotations

from typing import Any

from mmengine.optim import PolyLR
from mmseg.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WeakTrPolyLR(PolyLR):
    """Polynomial decay of every parameter group to the same share of its own learning rate.

    ``lr * (ratio + (1 - ratio) * (1 - step / total) ** power)``. The parent decays all groups to
    one absolute value, which would leave an encoder that starts there without any decay, and it
    is done one step early.

    Args:
        optimizer: Optimizer or wrapper.
        eta_min_ratio: Final learning rate as a share of the initial one.
        **kwargs: ``power``, ``begin``, ``end``, ``last_step``, ``by_epoch``, ``verbose`` as in
            mmengine; ``end`` is needed.
    """

    def __init__(self, optimizer: Any, eta_min_ratio: float = 0.1, **kwargs: Any) -> None:
        self.eta_min_ratio = eta_min_ratio
        super().__init__(optimizer, **kwargs)

    def _get_value(self) -> list[float]:
        remaining = 1 - self.last_step / (self.end - self.begin)
        share = self.eta_min_ratio + (1 - self.eta_min_ratio) * remaining**self.power
        return [lr * share for lr in self.base_values]
