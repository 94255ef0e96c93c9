"""Vision transformer with register tokens."""

from __future__ import annotations

from typing import Any

import torch
from mmpretrain.models.backbones import VisionTransformer
from torch import Tensor, nn


class RegisteredViT(VisionTransformer):
    """mmpretrain's ``VisionTransformer`` with register tokens, as DINOv2 comes with.

    Registers (Darcet et al., "Vision Transformers Need Registers", ICLR 2024, arXiv 2309.16588)
    have no position. They stand between class tokens and patches, and in no output.

    Args:
        num_registers: Number of register tokens ``R``.
        **kwargs: See :class:`mmpretrain.models.VisionTransformer`.
    """

    def __init__(self, num_registers: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_registers = num_registers
        if num_registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, num_registers, self.embed_dims))
            self.register_tokens.requires_grad = self.frozen_stages < 1
            self.pre_norm.register_forward_pre_hook(self._insert_registers)

    @property
    def is_pretrained(self) -> bool:
        """Whether the encoder starts from a checkpoint."""
        return isinstance(self.init_cfg, dict) and self.init_cfg['type'] == 'Pretrained'

    def init_weights(self) -> None:
        """Initialises as the parent does, with distinct registers."""
        super().init_weights()
        if self.num_registers and not self.is_pretrained:
            nn.init.trunc_normal_(self.register_tokens, std=0.02)

    def _insert_registers(self, module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        """Puts the registers in front of the patches, (B, C + Np, E) -> (B, C + R + Np, E)."""
        (tokens,) = inputs
        first = self.num_extra_tokens
        registers = self.register_tokens.expand(len(tokens), -1, -1)
        return torch.cat((tokens[:, :first], registers, tokens[:, first:]), dim=1)

    def _format_output(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        if self.num_registers:
            first = self.num_extra_tokens
            x = torch.cat((x[:, :first], x[:, first + self.num_registers :]), dim=1)
        return super()._format_output(x, hw)
