"""Class rows of networks that were trained with COCO's original category ids."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...datasets.coco_categories import COCO_CATEGORY_IDS
from ...utils.errors import WeakTrInputError

ORIGINAL_FOREGROUND = 90  # ids 1..90, ten of which COCO does not use


def inner_rows(module: nn.Module, num_classes: int, original: bool, background: bool) -> int:
    """Returns how many class rows a head has inside.

    With ``original`` they are those of the original category ids.

    The rows of ids that COCO does not use stay in the network, where they take part in attention
    and in norms over classes; what is computed for them is dropped behind. So the authors'
    checkpoints compute exactly what they computed there.

    Args:
        module: The head; gets the buffer ``kept_rows``, int64 (K,) or None, which is not saved.
        num_classes: Number of classes ``K`` of the head.
        original: Whether the rows are those of the original ids; ``K`` is 80 then, or 81 with
            background.
        background: Whether the first class is the background.

    Returns:
        ``num_classes``, or 90, or 91 with background.

    Raises:
        WeakTrInputError: If ``num_classes`` is not that of COCO.
    """
    if not original:
        module.register_buffer('kept_rows', None, persistent=False)
        return num_classes
    ids = torch.tensor(COCO_CATEGORY_IDS)
    rows = torch.cat((ids.new_zeros(1), ids)) if background else ids - 1
    if num_classes != len(rows):
        raise WeakTrInputError(
            f'original_coco_ids: expected num_classes={len(rows)}, got {num_classes}'
        )
    module.register_buffer('kept_rows', rows, persistent=False)
    return ORIGINAL_FOREGROUND + background


def kept(rows: Tensor | None, values: Tensor, dim: int = 1) -> Tensor:
    """Selects the rows of COCO's classes, if the network has others."""
    return values if rows is None else values.index_select(dim, rows)
