"""Class rows of COCO checkpoints: original category ids against contiguous ids."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..datasets.coco_categories import COCO_CATEGORY_IDS
from .names import StateDict

ABSENT_CLASS_BIAS = -100.0  # an id that COCO does not use must never win


def select_rows(tensor: Tensor, dim: int, original: int) -> Tensor:
    """Keeps the entries of the classes that COCO uses.

    Args:
        tensor: Parameter with one entry per class along ``dim``.
        dim: The dimension of the classes; entries behind the classes are kept.
        original: Number of classes by original ids: 90, or 91 with the background first.

    Returns:
        The parameter with 80 (81) entries in place of the first ``original``.
    """
    index = torch.cat((_kept(original), torch.arange(original, tensor.size(dim))))
    return tensor.index_select(dim, index)


def scatter_rows(tensor: Tensor, dim: int, original: int, fill: float = 0.0) -> Tensor:
    """Puts the entries of contiguous classes where the original ids have them.

    Args:
        tensor: Parameter with one entry per class along ``dim``.
        dim: The dimension of the classes; entries behind the classes are kept.
        original: Number of classes by original ids: 90, or 91 with the background first.
        fill: Value of the entries of unused ids.

    Returns:
        The parameter with ``original`` entries in place of the first 80 (81).
    """
    kept = _kept(original)
    shape = list(tensor.shape)
    shape[dim] += original - len(kept)
    index = torch.cat((kept, torch.arange(original, shape[dim])))
    return tensor.new_full(shape, fill).index_copy_(dim, index, tensor)


def to_contiguous(state: Mapping[str, Tensor], class_dims: Mapping[str, int]) -> StateDict:
    """Converts a state dict from 90 (91) to 80 (81) classes; others are returned unchanged.

    Dropped rows are those of ids without images. As tokens they took part in the attention and,
    in stage 2, in the normalisation over classes, so that outputs agree closely, not exactly.

    Args:
        state: Parameters by name.
        class_dims: Dimension of the classes of every parameter that has one. The first of them
            has nothing but classes along it and tells their number.

    Returns:
        The state dict with contiguous class ids.
    """
    original = _number_of_classes(state, class_dims)
    changed = dict(state)
    for name, dim in class_dims.items() if original in (90, 91) else ():
        if name in state:
            changed[name] = select_rows(state[name], dim, original)
    return changed


def to_original(state: Mapping[str, Tensor], class_dims: Mapping[str, int]) -> StateDict:
    """Converts a state dict from 80 (81) to 90 (91) classes; others are returned unchanged.

    Args:
        state: Parameters by name.
        class_dims: As for :func:`to_contiguous`.

    Returns:
        The state dict with original ids. Unused ids are 0, their biases very negative.
    """
    original = _number_of_classes(state, class_dims) + 10
    changed = dict(state)
    for name, dim in class_dims.items() if original in (90, 91) else ():
        if name in state:
            fill = ABSENT_CLASS_BIAS if name.endswith('.bias') else 0.0
            changed[name] = scatter_rows(state[name], dim, original, fill)
    return changed


def _number_of_classes(state: Mapping[str, Tensor], class_dims: Mapping[str, int]) -> int:
    name, dim = next(iter(class_dims.items()))
    return state[name].size(dim)


def _kept(original: int) -> Tensor:
    """Indices of the used classes among 90, or among 91 with the background first."""
    if original == 91:
        return torch.tensor((0, *COCO_CATEGORY_IDS))
    return torch.tensor(COCO_CATEGORY_IDS) - 1
