"""What the figures were measured on, and the least time that its arithmetic allows."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import torch

DEIT_S = dict(width=384, layers=12)


def describe(device: torch.device) -> str:
    """One line: processor, threads, memory, versions, load."""
    if device.type == 'cuda':
        name = torch.cuda.get_device_name(device)
    else:
        name = f'{_processor()}, {torch.get_num_threads()} threads, {_memory_gb():.0f} GB'
    load = os.getloadavg()[0]
    return (
        f'{name}; Python {platform.python_version()}, torch {torch.__version__}; '
        f'load average {load:.1f} at the start'
    )


def _processor() -> str:
    figures = Path('/proc/cpuinfo')
    if figures.exists():
        for line in figures.read_text(encoding='utf-8').splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float:
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9


def matmul_rate(device: torch.device, side: int = 2048, repeats: int = 9) -> float:
    """Best rate of a float32 matrix product, in FLOP/s."""
    left, right = torch.randn(2, side, side, device=device)
    best = float('inf')
    for _ in range(repeats):
        start = time.perf_counter()
        left @ right
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def vit_flops(images: int, side: int, extra_tokens: int, attentions: float = 1.0) -> float:
    """FLOPs of a forward pass of a ViT-S/16.

    Args:
        images: Number of images.
        side: Side of an image in pixels.
        extra_tokens: Class tokens.
        attentions: How often attention is computed in each layer.
    """
    width, layers = DEIT_S['width'], DEIT_S['layers']
    tokens = (side // 16) ** 2 + extra_tokens
    linear = 24 * tokens * width**2
    attention = 4 * tokens**2 * width
    return images * layers * (linear + attentions * attention)


def floors(rate: float) -> dict[str, float]:
    """Least seconds of the cases that are matrix products for the most part.

    Training counts a backward pass as twice its forward pass; inference counts the second pass of
    attention that propagates the maps; the decoder of the segmentor is left out.
    """
    cases = {f'cam_infer_{side}': vit_flops(2, side, 20, 2) for side in (224, 480, 640, 960)}
    cases.update({f'vit_forward_{side}': vit_flops(2, side, 1) for side in (224, 960)})
    cases['cam_train_224'] = 3 * vit_flops(8, 224, 20)
    cases['stage2_step_480'] = 3 * vit_flops(4, 480, 1)
    return {name: flops / rate for name, flops in cases.items()}
