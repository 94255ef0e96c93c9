"""A loss that makes fused maps agree with their own refinement along the edges of the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub
from mmseg.registry import MODELS
from torch import Tensor

from ...pseudo_labels.labelling import label_map
from ...pseudo_labels.threshold_choice import SCORE_BINS, otsu_by_shape, score_histogram
from ...refinement import build_refiner
from ...utils.errors import WeakTrInputError
from ..features import WeakTrFeatures
from .fusion_loss import FusionLoss

TINY = 1e-8


@MODELS.register_module()
class WeakTrRefinementLoss(FusionLoss):
    """Asks that the fine maps correlate with the label map that a refinement makes of them.

    A refinement sees the pixels of the image, which the attention heads do not; where it moves the
    border of an object, some heads had been right. The fine maps of an image are scaled to [0, 1],
    enlarged to the image at ``size``, cut at Otsu's threshold over all of them and refined, as
    pseudo labels are. The share ``T_c`` of each patch that class ``c`` then covers is constant, and
    the loss of the image is the mean over the present classes of ``1 - corr(M_c, T_c)``, Pearson's
    correlation over the patches with the fine map ``M_c``.

    Refining takes time, so an iteration looks at one image of ``every``: at those whose gray levels
    and the number of the iteration add up to a multiple of it. That chooses the same images however
    many processes share a batch.

    The maps that are refined are those of the weights that the heads had when the loss began (a
    buffer of the checkpoint): weights that follow their own refinement run away. They have to be
    good enough for the refinement to improve on them, so let it ``begin`` late. Gradient reaches
    the weights of the heads alone.

    Args:
        refine: Config of the refinement, see :data:`weaktr_mmseg.refinement.REFINERS`. Its
            distances are in pixels of the image at ``size``.
        size: Long side in pixels at which it is made.
        every: One of so many images is refined.
        loss_weight: Factor of the loss.
        loss_name: Its name in the log.
        begin: Share of the training before which the loss is left out.
        end: Share of the training from which on it is left out.

    Raises:
        WeakTrInputError: If a number is out of range, or there is no refinement.

    Examples:
        >>> from weaktr_mmseg.models import WeakTrViT
        >>> arch = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
        >>> fusion = dict(type='WeakTrStaticFusion')
        >>> vit = WeakTrViT(num_classes=3, arch=arch, img_size=64, fusion=fusion)
        >>> features = vit(torch.rand(1, 3, 64, 64))
        >>> loss = WeakTrRefinementLoss(dict(type='PAMR', dilations=[1, 2]), size=32, every=1)
        >>> def maps(features):
        ...     return features.attention.class_to_patch().view(1, 3, 4, 4)
        >>> targets, images = torch.tensor([[1.0, 0.0, 1.0]]), 255 * torch.rand(1, 3, 64, 64)
        >>> loss(features, None, targets, maps, images).backward()
        >>> vit.attention_fusion.logits.grad.any().item()
        True
    """

    needs_maps = True

    def __init__(
        self,
        refine: Mapping[str, Any],
        size: int = 112,
        every: int = 4,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_refinement',
        begin: float = 0.0,
        end: float = 1.0,
    ) -> None:
        super().__init__(loss_weight, loss_name, begin, end)
        refiner = build_refiner(refine)
        if refiner is None or size < 1 or every < 1:
            raise WeakTrInputError(
                'WeakTrRefinementLoss: expected a refinement, and size and every of at least 1, '
                f'got refine={refine}, size={size} and every={every}'
            )
        self.refiner = refiner
        self.size = size
        self.every = every
        self.reference: Tensor | None
        self.register_buffer('reference', None)

    def forward(
        self,
        features: WeakTrFeatures,
        scores: Tensor,
        targets: Tensor,
        maps: Callable[[WeakTrFeatures], Tensor],
        images: Tensor,
    ) -> Tensor:
        """Computes the loss.

        Args:
            features: Output of the backbone.
            scores: Not used.
            targets: Multi-hot labels, float (B, C).
            maps: Returns fine maps (B, C, h, w) of features.
            images: RGB images before normalisation, float (B, 3, H, W) in [0, 255].

        Returns:
            Sum over the chosen images, divided by their expected number ``B / every``, times
            ``loss_weight``; a scalar.
        """
        began = self._as_it_began(features)  # on every process
        chosen = self._chosen(images)
        if len(chosen) == 0:
            return features.attention.weights.sum() * 0
        fine = maps(features)[chosen].float()
        fixed = maps(began)[chosen].detach().float()
        shares = self._covered(fixed, targets[chosen], images[chosen])  # (b, C, h, w)
        known = shares.flatten(2).std(dim=2) > 0  # (b, C)
        correlation = F.cosine_similarity(
            _centred(fine.flatten(2)), _centred(shares.flatten(2)), dim=2, eps=TINY
        )
        losses = ((1 - correlation) * known).sum(dim=1) / known.sum(dim=1).clamp_min(1)  # (b,)
        return self.loss_weight * losses.sum() * self.every / len(images)

    def _chosen(self, images: Tensor) -> Tensor:
        """Indices of the images that this iteration looks at."""
        iteration = MessageHub.get_current_instance().runtime_info.get('iter', 0)
        levels = images.round().long().sum(dim=(1, 2, 3))  # (B,), exact
        return ((levels + iteration) % self.every == 0).nonzero().flatten()

    def _as_it_began(self, features: WeakTrFeatures) -> WeakTrFeatures:
        """The features with the weights that the heads had when the loss began."""
        weights = features.attention.weights.detach()
        if self.reference is None:
            self.reference = weights.mean(dim=0)  # (H, L)
            all_reduce(self.reference, 'mean')
        fixed = self.reference.to(weights.dtype).expand_as(weights)
        return features._replace(attention=features.attention.reweighted(fixed))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        self.reference = state_dict.get(f'{prefix}reference')
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _covered(self, maps: Tensor, targets: Tensor, images: Tensor) -> Tensor:
        """Share of each patch that each class covers after the refinement, (B, C, h, w)."""
        height, width = images.shape[-2:]
        scale = self.size / max(height, width)
        sides = (max(1, round(scale * height)), max(1, round(scale * width)))
        small = F.interpolate(images, sides, mode='bilinear', antialias=True)
        pixels = small.permute(0, 2, 3, 1).round().clamp(0, 255).byte().cpu().numpy()
        large = F.interpolate(maps, sides, mode='bilinear')
        low, high = large.amin(dim=(2, 3), keepdim=True), large.amax(dim=(2, 3), keepdim=True)
        scaled = ((large - low) / (high - low + TINY)).cpu().numpy()
        present = [row.nonzero().flatten().cpu().numpy() for row in targets]
        covered = torch.zeros(maps.shape)
        for index, ids in enumerate(present):
            counts = score_histogram(scaled[index, ids], SCORE_BINS)
            if np.count_nonzero(counts) < 2:
                continue
            labels = label_map(scaled[index, ids], ids, otsu_by_shape(counts))
            refined = self.refiner.refine_labels(pixels[index], labels, ids + 1)
            planes = torch.from_numpy(refined == ids[:, None, None] + 1).float()  # (K, H, W)
            covered[index, ids] = F.adaptive_avg_pool2d(planes, maps.shape[-2:])
        return covered.to(maps.device)


def _centred(values: Tensor) -> Tensor:
    return values - values.mean(dim=2, keepdim=True)
