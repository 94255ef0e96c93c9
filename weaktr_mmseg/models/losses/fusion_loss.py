"""What the losses that train the fusion of heads have in common."""

from __future__ import annotations

from mmengine.logging import MessageHub
from torch import nn

from ...utils.errors import WeakTrInputError


class FusionLoss(nn.Module):
    """A further loss of the CAM head, which trains the weights of the heads alone.

    Args:
        loss_weight: Factor of the loss.
        loss_name: Its name in the log, contains ``loss``.
        begin: Share of the training before which the loss is left out.
        end: Share of the training from which on it is left out.

    Raises:
        WeakTrInputError: If the shares are not in order in [0, 1].
    """

    needs_maps = False  # whether the head adds fine maps and images to the arguments

    def __init__(
        self, loss_weight: float, loss_name: str, begin: float = 0.0, end: float = 1.0
    ) -> None:
        super().__init__()
        if not 0 <= begin < end <= 1:
            raise WeakTrInputError(
                f'{type(self).__name__}: expected 0 <= begin < end <= 1, got begin={begin} and '
                f'end={end}'
            )
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.begin = begin
        self.end = end


def is_due(loss: nn.Module) -> bool:
    """Whether a further loss counts at the present iteration; always without a runner."""
    runtime = MessageHub.get_current_instance().runtime_info
    done, total = runtime.get('iter'), runtime.get('max_iters')
    if done is None or not total:
        return True
    return getattr(loss, 'begin', 0.0) <= done / total < getattr(loss, 'end', 1.0)
