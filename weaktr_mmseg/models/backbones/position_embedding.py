"""Position embeddings: the WeakTr resize rule and a fixed sine-cosine table."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RESIZE_OFFSET = 0.1  # keeps floor(side * factor) at the wanted side in spite of rounding


def resize_by_factor(grid_embedding: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes a square grid of position embeddings bicubically, sampling with scale factors.

    The factors are ``(h + 0.1) / g`` and ``(w + 0.1) / g`` and the sampling positions follow from
    the factors, not from the rounded size; published WeakTr checkpoints rely on it. It is applied
    as well to a grid of the trained size when the image is not square.

    Args:
        grid_embedding: Embeddings of the patches, (1, g * g, E).
        size: Wanted grid (h, w).

    Returns:
        (1, h * w, E).
    """
    side = round(grid_embedding.size(1) ** 0.5)
    grid = grid_embedding.unflatten(1, (side, side)).permute(0, 3, 1, 2)  # (1, E, g, g)
    factors = tuple((length + RESIZE_OFFSET) / side for length in size)
    resized = F.interpolate(grid.float(), scale_factor=factors, mode='bicubic', align_corners=False)
    return resized.to(grid.dtype).flatten(2).transpose(1, 2)


def sine_cosine_grid(side: int, embed_dims: int) -> Tensor:
    """Fixed two-dimensional sine-cosine embedding of a square grid.

    A quarter of the channels each: sine and cosine of the row, sine and cosine of the column, at
    wavelengths from 2 pi to 20000 pi (MoCo v3, arXiv 2104.02057, section 4.1).

    Args:
        side: Number of patches along a side.
        embed_dims: Width ``E``, a multiple of 4.

    Returns:
        (1, side * side, E), float32.

    Raises:
        ValueError: If ``embed_dims`` is not a multiple of 4.
    """
    if embed_dims % 4:
        raise ValueError(f'embed_dims: expected a multiple of 4, got {embed_dims}')
    quarter = embed_dims // 4
    frequency = 10000.0 ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    angle = torch.arange(side, dtype=torch.float64)[:, None] * frequency  # (side, E / 4)
    wave = torch.cat((angle.sin(), angle.cos()), dim=1)  # (side, E / 2)
    rows = wave[:, None].expand(side, side, -1)
    columns = wave[None].expand(side, side, -1)
    return torch.cat((rows, columns), dim=2).flatten(0, 1).unsqueeze(0).float()
