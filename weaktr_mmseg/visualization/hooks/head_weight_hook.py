"""Writes how much the fusion trusts each attention head while a stock test loop runs."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from ...engine.distributed import bare_model
from ...evaluation.score_files import write_scores


@HOOKS.register_module()
class WeakTrHeadWeightHook(Hook):
    """Writes mean and spread of the learned head weights over all images of a test run.

    The weights depend on the image (WeakTr, arXiv 2304.01184, section 3.2). The file holds
    ``mean`` and ``std``, (layers, heads), over ``passes`` passes of the network: every image at
    every scale, straight and mirrored.

    Args:
        file: JSON file to write.
    """

    def __init__(self, file: str) -> None:
        self.file = file

    def before_test(self, runner: Runner) -> None:
        """Starts listening to the fusion of the model."""
        fusion = bare_model(runner).backbone.attention_fusion
        self._moments = torch.zeros(2, fusion.num_heads, fusion.num_layers, dtype=torch.float64)
        self._passes = torch.zeros(1, dtype=torch.int64)
        self._listener = fusion.register_forward_hook(self._add)

    def _add(self, module: nn.Module, inputs: Any, weights: Tensor) -> None:
        values = weights.detach().cpu().double()  # (B, H, L)
        self._moments += torch.stack((values.sum(0), values.square().sum(0)))
        self._passes += len(values)

    def after_test(self, runner: Runner) -> None:
        """Stops listening and writes the file."""
        self._listener.remove()
        all_reduce(self._moments)
        all_reduce(self._passes)
        mean, square = self._moments / self._passes
        if is_main_process():
            std = (square - mean.square()).clamp(min=0).sqrt()
            write_scores(
                self.file,
                dict(mean=mean.T.numpy(), std=std.T.numpy(), passes=self._passes.item()),
            )
