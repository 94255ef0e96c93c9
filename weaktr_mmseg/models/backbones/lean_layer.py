"""Transformer layers of mmpretrain with fewer passes over memory and fewer tensors kept."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmcv.cnn.bricks.transformer import FFN
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor, nn


class Attended(NamedTuple):
    """What an attention module computes of ``N`` tokens.

    Attributes:
        query: (B, H, N, d).
        key: (B, H, N, d).
        output: Output of the projection, (B, N, E), before drop path.
    """

    query: Tensor
    key: Tensor
    output: Tensor


def use_plain_drop_rates(module: nn.Module) -> None:
    """Turns the drop path rates below a module into Python numbers.

    mmpretrain sets NumPy scalars, which ``torch.compile`` takes for tensors that decide a branch.
    """
    for child in module.modules():
        if isinstance(child, DropPath):
            child.drop_prob = float(child.drop_prob)


def attend(module: MultiheadAttention, tokens: Tensor) -> Attended:
    """Runs mmpretrain's attention and gives as well what the fusion of heads needs of it.

    Args:
        module: The attention module of a layer.
        tokens: Normalised tokens, (B, N, E).
    """
    query, key, value = (
        part.unflatten(2, (module.num_heads, module.head_dims)).transpose(1, 2)
        for part in module.qkv(tokens).chunk(3, dim=2)
    )  # 3 x (B, H, N, d)
    dropout = module.attn_drop if module.training else 0.0
    mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    return Attended(query, key, module.proj(mixed.transpose(1, 2).flatten(2)))


def add_attention(module: MultiheadAttention, tokens: Tensor, output: Tensor) -> Tensor:
    """Adds the output of :func:`attend` to the residual stream, (B, N, E)."""
    return add_update(tokens, module.gamma1(module.proj_drop(output)), module.out_drop)


def add_feed_forward(module: nn.Module, tokens: Tensor, normalised: Tensor) -> Tensor:
    """Adds the output of a layer's feed-forward network to the residual stream.

    Between the forward and the backward pass a network of two linear layers keeps the input of its
    activation and not the output, which is as large and costs little to compute again.

    Args:
        module: Feed-forward network of mmpretrain's layer.
        tokens: Residual stream, (B, N, E).
        normalised: Input of the network, (B, N, E).

    Returns:
        (B, N, E).
    """
    if type(module) is not FFN or len(module.layers) != 3 or not module.add_identity:
        return module(normalised, identity=tokens)
    (expand, activation, drop), contract, last_drop = module.layers
    hidden = expand(normalised)  # (B, N, F)
    if module.training and drop.p > 0:
        update = contract(drop(activation(hidden)))
    else:
        update = _activate_and_project(activation, contract, hidden)
    return add_update(tokens, module.gamma2(last_drop(update)), module.dropout_layer)


def add_update(tokens: Tensor, update: Tensor, drop: nn.Module) -> Tensor:
    """Adds an update to the residual stream, drop path included, in one pass over memory.

    Args:
        tokens: Residual stream, (B, N, E).
        update: Update, (B, N, E).
        drop: mmcv's ``DropPath``, whose random numbers are drawn as it does, or another module.

    Returns:
        (B, N, E).
    """
    if not isinstance(drop, DropPath):
        return tokens + drop(update)
    if not drop.training or drop.drop_prob == 0:
        return tokens + update
    keep = 1 - drop.drop_prob
    shape = (len(update), *[1] * (update.dim() - 1))
    kept = (keep + torch.rand(shape, dtype=update.dtype, device=update.device)).floor()
    return torch.addcmul(tokens, update, kept / keep)


def _activate_and_project(activation: nn.Module, project: nn.Module, hidden: Tensor) -> Tensor:
    """``project(activation(hidden))`` that saves ``hidden`` alone for the backward pass."""
    activated = activation(hidden)
    if not torch.is_grad_enabled() or _is_compiling():
        return project(activated)

    address = activated.data_ptr()

    def save(tensor: Tensor) -> Any:
        return tensor.shape if tensor.data_ptr() == address else tensor

    def load(saved: Any) -> Tensor:
        return saved if isinstance(saved, Tensor) else activation(hidden).view(saved)

    with torch.autograd.graph.saved_tensors_hooks(save, load):
        return project(activated)


def _is_compiling() -> bool:
    """``torch.compiler.is_compiling``, which PyTorch 2.1 does not have."""
    return getattr(torch.compiler, 'is_compiling', bool)()
