"""CAM head: from patch tokens and fused attention to class activation maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...utils.errors import WeakTrInputError, check_choice
from ..checkpoint_guard import guard_class_ids
from ..features import WeakTrFeatures
from ..losses.fusion_loss import is_due
from .coco_rows import inner_rows, kept

POOLINGS = ('mean', 'softmax')
ACTIVATIONS = ('relu', 'sigmoid')
SOFT_MARGIN = dict(type='WeakTrMultiLabelSoftMarginLoss', loss_weight=1.0)


class ImageLogits(NamedTuple):
    """Image-level logits of the three branches, each (B, C)."""

    cls: Tensor
    coarse: Tensor
    fine: Tensor


class ClassActivationMaps(NamedTuple):
    """Class activation maps of ``K`` classes on the patch grid, each (B, K, h, w).

    Attributes:
        coarse: Output of the convolution, rectified as published.
        attended: ``coarse`` times the attention that the class token pays to each patch.
        fine: ``attended`` propagated along the fused attention between patches.
    """

    coarse: Tensor
    attended: Tensor
    fine: Tensor


@MODELS.register_module()
class WeakTrCAMHead(BaseModule):
    """Coarse and attention-refined class activation maps (WeakTr, arXiv 2304.01184, section 3.3).

    Each of the three branches has a loss, which is called with logits and multi-hot labels, both
    (B, C), as mmpretrain's multi-label losses are; the published ones are the default. Further
    losses, which may look at the attention or at the maps, are modules with an attribute
    ``loss_name`` (contains ``loss``; the key in the log) that are called with

    * the features of the backbone,
    * the scores of the convolution, float (B, C, h, w), with gradient,
    * the multi-hot labels, float (B, C),

    and return a scalar, their weight included. Where a module has ``needs_maps = True``, these
    follow as keywords:

    * ``maps``, a function that returns the fine maps (B, C, h, w) of such features, with gradient
      to the fusion alone,
    * ``images``, RGB before normalisation, float (B, 3, H, W) in [0, 255].

    The published form is the default. For an encoder that stays as it is, a classifier of one patch
    on standardised tokens, whose scores are pooled by their own softmax, finds whole objects better
    than their mean, which every patch shares.

    Args:
        in_channels: Width ``E`` of the tokens.
        num_classes: Number of foreground classes ``C``.
        kernel_size: Side of the convolution in patches, odd.
        standardise: Whether each channel is scaled to mean 0 and variance 1 over the training set
            first (batch normalisation without parameters).
        pooling: How the scores of an image become a logit: their ``'mean'``, or ``'softmax'``,
            their mean weighted by their softmax over the patches.
        activation: How scores become a coarse map: ``'relu'`` or ``'sigmoid'``.
        competing: Whether the present classes compete for each patch: their coarse maps are
            multiplied by the softmax of their scores.
        propagation_steps: How often the attended map is spread along the attention between
            patches. Once is published; above it, the rows of the attention are first scaled to the
            sum 1, so that a step is one of a random walk.
        loss_cls: Config of the loss of the class tokens; None leaves the branch untrained.
        loss_coarse: Alike for the mean of the scores.
        loss_fine: Alike for the mean of the fine maps, which trains the fusion alone.
        aux_losses: Configs of further losses.
        original_coco_ids: For checkpoints of the authors, converted with ``--keep-coco-rows``: the
            backbone has 90 classes, and those of the 10 ids that COCO does not use are dropped
            here. ``num_classes`` remains 80.
        init_cfg: Initialisation config of mmengine.

    Raises:
        WeakTrInputError: If ``pooling`` or ``activation`` is unknown, ``kernel_size`` is even, or a
            further loss has no name of its own with ``loss`` in it.

    Examples:
        >>> from weaktr_mmseg.models import WeakTrViT
        >>> arch = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
        >>> backbone = WeakTrViT(num_classes=3, arch=arch, img_size=32, fusion=dict(reduction=2))
        >>> features = backbone(torch.zeros(1, 3, 32, 48))  # patches of 16 px
        >>> head = WeakTrCAMHead(in_channels=16, num_classes=3)
        >>> sorted(head.loss(features, torch.tensor([[1.0, 0.0, 1.0]])))
        ['loss_cls', 'loss_coarse', 'loss_fine']
        >>> head.activation_maps(features).fine.shape
        torch.Size([1, 3, 2, 3])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        kernel_size: int = 3,
        standardise: bool = False,
        pooling: str = 'mean',
        activation: str = 'relu',
        competing: bool = False,
        propagation_steps: int = 1,
        loss_cls: dict | None = SOFT_MARGIN,
        loss_coarse: dict | None = SOFT_MARGIN,
        loss_fine: dict | None = SOFT_MARGIN,
        aux_losses: Sequence[dict] = (),
        original_coco_ids: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        rows = inner_rows(self, num_classes, original_coco_ids, background=False)
        check_choice('cam_head.pooling', pooling, POOLINGS)
        check_choice('cam_head.activation', activation, ACTIVATIONS)
        if kernel_size % 2 == 0:
            raise WeakTrInputError(
                f'cam_head.kernel_size: expected an odd number, got {kernel_size}'
            )
        self.pooling = pooling
        self.activation = activation
        self.competing = competing
        self.propagation_steps = propagation_steps
        self.norm = nn.BatchNorm2d(in_channels, affine=False) if standardise else nn.Identity()
        self.classifier = nn.Conv2d(in_channels, rows, kernel_size, padding=kernel_size // 2)
        guard_class_ids(self, 'classifier.weight', dim=0)
        branches = dict(cls=loss_cls, coarse=loss_coarse, fine=loss_fine)
        self.branch_losses = nn.ModuleDict(
            {name: MODELS.build(loss) for name, loss in branches.items() if loss is not None}
        )
        self.aux_losses = nn.ModuleList(MODELS.build(loss) for loss in aux_losses)
        names = {f'loss_{branch}' for branch in branches}
        for loss in self.aux_losses:
            name = getattr(loss, 'loss_name', '')
            if 'loss' not in name or name in names:
                raise WeakTrInputError(
                    f'aux_losses: expected {type(loss).__name__} to have a loss_name that contains '
                    f'"loss" and is none of {sorted(names)}, got {name!r}'
                )
            names.add(name)

    def forward(self, features: WeakTrFeatures) -> ImageLogits:
        """Computes image-level logits.

        Args:
            features: Output of the backbone.

        Returns:
            Logits of the class tokens, of the coarse and of the fine maps. The fine ones carry
            gradient to the fusion weights alone.
        """
        scores = self.scores(features.patch_map)
        return ImageLogits(*(self._logits(name, features, scores) for name in ImageLogits._fields))

    def scores(self, patch_map: Tensor) -> Tensor:
        """Score of each class at each patch, (B, C, h, w) of patch tokens (B, E, h, w)."""
        return self.classifier(self.norm(patch_map))

    def coarse_map(self, scores: Tensor) -> Tensor:
        """Scores with the activation, of the same shape."""
        return scores.relu() if self.activation == 'relu' else scores.sigmoid()

    def pool(self, scores: Tensor) -> Tensor:
        """One logit of each class, (B, C) of scores (B, C, h, w)."""
        if self.pooling == 'mean':
            return scores.mean(dim=(2, 3))
        scores = scores.flatten(2)
        return (scores.softmax(dim=2) * scores).sum(dim=2)

    def image_logits(self, features: WeakTrFeatures) -> Tensor:
        """Logits that say which classes an image has, (B, C): of the first branch with a loss."""
        if 'cls' in self.branch_losses or 'coarse' not in self.branch_losses:
            return self.class_token_logits(features)
        return kept(self.kept_rows, self.pool(self.scores(features.patch_map)))

    def _logits(self, branch: str, features: WeakTrFeatures, scores: Tensor) -> Tensor:
        """Logits of a branch (B, C) from the features and the scores (B, C, h, w)."""
        if branch == 'cls':
            return self.class_token_logits(features)
        if branch == 'coarse':
            return kept(self.kept_rows, self.pool(scores))
        coarse = self.coarse_map(scores.detach()).flatten(2)  # (B, C, Np)
        attended = features.attention.class_to_patch() * coarse
        return kept(self.kept_rows, features.attention.propagated_mean(attended))

    def class_token_logits(self, features: WeakTrFeatures) -> Tensor:
        """Mean over the width of each class token, (B, C)."""
        return kept(self.kept_rows, features.class_tokens.mean(dim=2))

    @property
    def needs_images(self) -> bool:
        """Whether a further loss looks at the images."""
        return any(_needs_maps(loss) for loss in self.aux_losses)

    def loss(
        self, features: WeakTrFeatures, targets: Tensor, images: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Computes the losses of the branches and the further ones.

        Args:
            features: Output of the backbone.
            targets: Multi-hot labels, float (B, C).
            images: RGB images before normalisation, (B, 3, H, W), where ``needs_images``.

        Returns:
            ``loss_cls``, ``loss_coarse``, ``loss_fine`` and the further losses by their names;
            their sum is minimised.
        """
        scores = self.scores(features.patch_map)  # (B, C, h, w)
        losses = {
            f'loss_{branch}': loss(self._logits(branch, features, scores), targets)
            for branch, loss in self.branch_losses.items()
        }
        return losses | self._further_losses(features, scores, targets, images)

    def coarse_loss(self, patch_map: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The part of :meth:`loss` that needs no attention.

        Args:
            patch_map: Patch tokens as a map, float (B, E, h, w).
            targets: Multi-hot labels, float (B, C).
        """
        logits = kept(self.kept_rows, self.pool(self.scores(patch_map)))
        return dict(loss_coarse=self.branch_losses['coarse'](logits, targets))

    def further_losses(
        self, features: WeakTrFeatures, targets: Tensor, images: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The further ones of :meth:`loss` alone, with constant scores: they train the fusion."""
        scores = self.scores(features.patch_map).detach()
        return self._further_losses(features, scores, targets, images)

    def _further_losses(
        self, features: WeakTrFeatures, scores: Tensor, targets: Tensor, images: Tensor | None
    ) -> dict[str, Tensor]:
        rows = self.kept_rows
        constant = scores.detach() if rows is None else scores.detach()[:, rows]

        def maps(features: WeakTrFeatures) -> Tensor:
            return self._maps(features, constant, rows, targets > 0).fine

        losses = {}
        for loss in self.aux_losses:
            seen = dict(maps=maps, images=images) if _needs_maps(loss) else {}
            losses[loss.loss_name] = (
                loss(features, scores, targets, **seen)
                if is_due(loss)
                else features.attention.weights.sum() * 0
            )
        return losses

    def activation_maps(
        self,
        features: WeakTrFeatures,
        classes: Tensor | None = None,
        present: Tensor | None = None,
    ) -> ClassActivationMaps:
        """Computes the maps of the wanted classes only.

        Args:
            features: Output of the backbone.
            classes: Ids of the wanted foreground classes, int64 (K,); all when None.
            present: Which of them each image has, bool (B, K); all when None. Matters where
                classes compete.

        Returns:
            Coarse, attended and fine maps.
        """
        if self.kept_rows is not None:
            classes = self.kept_rows if classes is None else self.kept_rows[classes]
        scores = self.scores(features.patch_map)
        if classes is not None:
            scores = scores[:, classes]
        return self._maps(features, scores, classes, present)

    def _maps(
        self,
        features: WeakTrFeatures,
        scores: Tensor,
        classes: Tensor | None,
        present: Tensor | None,
    ) -> ClassActivationMaps:
        """Maps of scores (B, K, h, w), those of the rows ``classes`` of the network."""
        coarse = self.coarse_map(scores)
        if self.competing:
            coarse = coarse * _share(scores, present)
        attended = features.attention.class_to_patch(classes).view_as(coarse) * coarse
        fine = self._spread(features, attended.flatten(2)).view_as(coarse)
        return ClassActivationMaps(coarse, attended, fine)

    def _spread(self, features: WeakTrFeatures, maps: Tensor) -> Tensor:
        """Maps (B, K, Np) after all steps along the attention."""
        if self.propagation_steps == 1:
            return features.attention.propagate(maps)
        ones = maps.new_ones(len(maps), 1, maps.size(2))
        for _ in range(self.propagation_steps):
            spread = features.attention.propagate(torch.cat((maps, ones), dim=1))
            maps = spread[:, :-1] / spread[:, -1:]  # the last one has the sums of the rows
        return maps


def _needs_maps(loss: nn.Module) -> bool:
    return getattr(loss, 'needs_maps', False)


def _share(scores: Tensor, present: Tensor | None) -> Tensor:
    """Softmax of scores (B, K, h, w) over the present classes, 0 for the others."""
    if present is not None:
        scores = scores.masked_fill(~present[..., None, None], torch.finfo(scores.dtype).min)
    return scores.softmax(dim=1)
