"""Initialisation that lets a small ViT learn useful attention without pretraining."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .position_embedding import sine_cosine_grid


@torch.no_grad()
def mimetic_init_(vit: nn.Module, gain: float = 1.5) -> None:
    """Starts a ViT with the local, content-based attention of a pretrained one.

    Queries and keys of a head begin as the same random orthonormal projection, so a token attends
    first to tokens like itself (after "Mimetic Initialization of Self-Attention Layers", Trockman
    and Kolter, ICML 2023, which observes ``W_q W_k^T`` close to a multiple of the identity in
    pretrained ViTs); positions begin as a sine-cosine table, so that "like itself" includes
    "near".

    Args:
        vit: mmpretrain's ``VisionTransformer`` or a subclass, changed in place. Position
            embeddings of extra tokens keep their values.
        gain: Factor of the orthonormal projections; the attention sharpens with its square.
    """
    grid = sine_cosine_grid(vit.patch_resolution[0], vit.embed_dims)
    vit.pos_embed[:, vit.num_extra_tokens :].copy_(grid)
    for layer in vit.layers:
        attention = layer.attn
        projection = gain * _orthonormal_heads(attention.num_heads, attention.head_dims)
        query, key, _ = attention.qkv.weight.chunk(3)
        query.copy_(projection)
        key.copy_(projection)


def _orthonormal_heads(num_heads: int, head_dims: int) -> Tensor:
    """Random rows, orthonormal within each head, (H * d, H * d)."""
    width = num_heads * head_dims
    heads = [nn.init.orthogonal_(torch.empty(head_dims, width)) for _ in range(num_heads)]
    return torch.cat(heads)
