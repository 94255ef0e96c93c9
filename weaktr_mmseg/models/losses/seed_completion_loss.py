"""A loss that tells attention heads which spread a class over its object, without pixel labels."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from ...utils.errors import WeakTrInputError, check_choice
from ..features import WeakTrFeatures
from .fusion_loss import FusionLoss

FLOOR = 1e-3  # of a spread map whose mean is 1, before its logarithm


@MODELS.register_module()
class WeakTrSeedCompletionLoss(FusionLoss):
    """Asks the fused attention to complete seeds: half of them must lead to the other half.

    For each class ``c`` that an image is labelled with, with its coarse map ``S_c`` (that of the
    head, constant) on the patch grid:

    1. The seeds are the ``seed_share`` of the patches where ``S_c`` is largest. A line at a random
       angle cuts them into halves ``A`` and ``B`` of equal size.
    2. Half ``A`` is spread with the fused attention between patches, and divided by its mean:
       ``R = F (G_c S_c 1_A)`` with the fused attention ``G_c`` of the class token, which then
       learns as well, or ``R = F 1_A`` if ``attended`` is False.
    3. ``B`` must receive more than the rejected patches ``N``: the loss is
       ``softplus(mean over N of log R - mean over B of log R)``.

    ``N`` are the seeds of the other classes of the image, where there are any, since a class has to
    be distinguished from those beside it; else the ``reject_share`` of the patches where ``S_c`` is
    least.
    Gradient reaches the weights of the heads alone. A head that looks around itself reaches no
    distant half; one that looks everywhere favours neither.

    Args:
        seed_share: Share of the patches that are seeds of a class.
        reject_share: Share of the patches that a class must not reach in an image of its own.
        contrast_classes: Whether seeds of other classes take the place of the least scores.
        attended: Whether the seeds are weighted by map and attention before they are spread.
        activation: How the head turns scores into a coarse map, ``'relu'`` or ``'sigmoid'``.
        loss_weight: Factor of the loss.
        loss_name: Its name in the log.
        begin: Share of the training before which the loss is left out.
        end: Share of the training from which on it is left out.

    Raises:
        WeakTrInputError: If the shares leave no patch, or add up to more than 1.

    Examples:
        >>> from weaktr_mmseg.models import WeakTrViT
        >>> arch = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
        >>> backbone = WeakTrViT(num_classes=3, arch=arch, img_size=64, fusion=dict(reduction=2))
        >>> features = backbone(torch.rand(1, 3, 64, 64))
        >>> scores = torch.rand(1, 3, 4, 4, requires_grad=True)
        >>> WeakTrSeedCompletionLoss()(features, scores, torch.tensor([[1.0, 0.0, 1.0]])).backward()
        >>> scores.grad is None  # it trains the fusion alone
        True
        >>> any(p.grad is not None for p in backbone.attention_fusion.parameters())
        True
    """

    def __init__(
        self,
        seed_share: float = 0.15,
        reject_share: float = 0.4,
        contrast_classes: bool = True,
        attended: bool = True,
        activation: str = 'relu',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_seed_completion',
        begin: float = 0.0,
        end: float = 1.0,
    ) -> None:
        super().__init__(loss_weight, loss_name, begin, end)
        if not (seed_share > 0 and reject_share > 0 and seed_share + reject_share <= 1):
            raise WeakTrInputError(
                'WeakTrSeedCompletionLoss: expected shares above 0 that add up to at most 1, got '
                f'seed_share={seed_share} and reject_share={reject_share}'
            )
        self.seed_share = seed_share
        self.reject_share = reject_share
        check_choice('WeakTrSeedCompletionLoss.activation', activation, ('relu', 'sigmoid'))
        self.contrast_classes = contrast_classes
        self.attended = attended
        self.activation = activation

    def forward(self, features: WeakTrFeatures, scores: Tensor, targets: Tensor) -> Tensor:
        """Computes the loss.

        Args:
            features: Output of the backbone.
            scores: Scores of the coarse maps before the activation, float (B, C, h, w).
            targets: Multi-hot labels, float (B, C).

        Returns:
            Mean over the classes of all images, a scalar; 0 if no map has a positive score.
        """
        maps = getattr(scores.detach().float(), self.activation)()  # (B, C, h, w)
        valid = (targets > 0) & (maps.amax(dim=(2, 3)) > 0)  # (B, C)
        seeds = largest(maps.flatten(2), self._count(maps, self.seed_share, least=2))
        seeds = seeds * valid[..., None]  # (B, C, Np)
        start, goal = cut_in_halves(seeds, maps.shape[-2:])
        rejected = self._rejected(maps.flatten(2), seeds)
        attention = features.attention
        source = start
        if self.attended:
            source = attention.class_to_patch() * maps.flatten(2) * start
        spread = attention.propagate(source).float()  # (B, C, Np)
        relative = spread / spread.mean(dim=2, keepdim=True).clamp_min(1e-12)
        logarithms = (relative + FLOOR).log()
        losses = F.softplus(_mean(logarithms, rejected) - _mean(logarithms, goal))  # (B, C)
        return self.loss_weight * (losses * valid).sum() / valid.sum().clamp_min(1)

    def _count(self, maps: Tensor, share: float, least: int = 1) -> int:
        return max(least, round(share * maps.shape[-2] * maps.shape[-1]))

    def _rejected(self, maps: Tensor, seeds: Tensor) -> Tensor:
        """Patches that a class must not reach, 0 or 1, (B, C, Np)."""
        rejected = largest(-maps, self._count(maps[..., None], self.reject_share))
        if not self.contrast_classes:
            return rejected
        others = ((seeds.sum(dim=1, keepdim=True) - seeds) > 0) * (1 - seeds)
        return torch.where(others.sum(dim=2, keepdim=True) > 0, others, rejected)


def largest(maps: Tensor, count: int) -> Tensor:
    """Marks the ``count`` largest values of each map, 0 or 1, (B, C, Np) of (B, C, Np)."""
    return torch.zeros_like(maps).scatter(2, maps.topk(count, dim=2).indices, 1)


def cut_in_halves(seeds: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Cuts each set of patches by a line at a random angle.

    Args:
        seeds: 1 where a patch belongs to the set, else 0, (B, C, Np).
        grid: Number of patches (h, w).

    Returns:
        The halves, in the same form; the first has one patch more if their number is odd.
    """
    rows, columns = torch.meshgrid(
        torch.arange(grid[0], device=seeds.device, dtype=seeds.dtype),
        torch.arange(grid[1], device=seeds.device, dtype=seeds.dtype),
        indexing='ij',
    )
    angle = torch.rand(*seeds.shape[:2], 1, device=seeds.device) * 2 * math.pi
    across = angle.cos() * columns.flatten() + angle.sin() * rows.flatten()  # (B, C, Np)
    across = across.masked_fill(seeds == 0, math.inf)
    rank = across.argsort(dim=2).argsort(dim=2)
    first = (2 * rank < seeds.sum(dim=2, keepdim=True)) * seeds
    return first, seeds - first


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values of each map, (B, C)."""
    return (values * chosen).sum(dim=2) / chosen.sum(dim=2).clamp_min(1)
