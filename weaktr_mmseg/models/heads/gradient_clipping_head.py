"""Mask transformer decoder that is trained with the gradient clipping loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads import SegmenterMaskTransformerHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from ...utils.errors import WeakTrInputError
from ..checkpoint_guard import guard_class_ids
from ..losses.gradient_clipping_loss import WeakTrGradientClippingLoss
from .coco_rows import inner_rows, kept
from .lean_attention import LeanMultiheadAttention


def accuracy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Percentage of the labelled pixels whose class has the highest logit, alone or with others.

    Args:
        logits: (B, K, H, W).
        labels: Class ids, (B, H, W).
        ignore_index: Label of the pixels that do not count.

    Returns:
        A scalar; 0 where no pixel is labelled.
    """
    known = labels != ignore_index
    own = logits.gather(1, labels.where(known, 0).unsqueeze(1)).squeeze(1)  # (B, H, W)
    # The maximum is several times as fast as its index on a CPU.
    correct = (own == logits.amax(dim=1)) & known
    return 100 * correct.sum() / known.sum().clamp(min=1)


@MODELS.register_module()
class WeakTrGradientClippingHead(SegmenterMaskTransformerHead):
    """Segmenter's mask transformer with WeakTr's gradient clipping.

    The network and its parameter names are those of the parent. Six things differ:

    * A fresh decoder is drawn as Segmenter's authors draw it (:meth:`init_weights`).
    * At test time the network can be read out after several layers (:meth:`readouts`), as the
      published scores were.
    * The loss dictionary also holds ``clipped_share``, the share of pixels in [0, 1] that the
      :class:`WeakTrGradientClippingLoss` among the losses clipped (logged, not differentiated).
    * An image whose sides are no multiples of the patch was padded at the right and the bottom by
      the encoder; its logits are upsampled by the patch size and the padding is cut off, where the
      parent squeezes the padded area into the image.
    * The layers do not return the attention matrix, which the parent throws away, and draw their
      dropout cheaply (:class:`LeanMultiheadAttention`).
    * It can run with COCO's 91 classes inside (``original_coco_ids``).

    Args:
        patch_size: Side of the encoder's patches in pixels; None if every image that comes in has
            sides that are multiples of it.
        original_coco_ids: For checkpoints of the authors, converted with ``--keep-coco-rows``:
            the 91 rows of the original ids take part in attention and norm, and the logits of the
            10 ids that COCO does not use are dropped after it. ``num_classes`` remains 81.
        **kwargs: See :class:`mmseg.models.SegmenterMaskTransformerHead`; ``loss_decode`` is
            gradient clipping at the published setting unless given.
    """

    cls_emb: nn.Parameter
    mask_norm: nn.LayerNorm

    def __init__(
        self, patch_size: int | None = None, original_coco_ids: bool = False, **kwargs: Any
    ) -> None:
        kwargs.setdefault('loss_decode', dict(type='WeakTrGradientClippingLoss'))
        super().__init__(**kwargs)
        self.patch_size = patch_size
        rows = inner_rows(self, self.num_classes, original_coco_ids, background=True)
        if original_coco_ids:
            self.cls_emb = nn.Parameter(torch.randn(1, rows, self.cls_emb.size(2)))
            self.mask_norm = nn.LayerNorm(rows, self.mask_norm.eps)
        guard_class_ids(self, 'cls_emb', dim=1)
        for layer in self.layers:
            layer.attn.attn = LeanMultiheadAttention.sharing(layer.attn.attn)

    def init_weights(self) -> None:
        """Draws a fresh decoder as the original does.

        The two projections that are compared have the standard deviation ``width ** -0.5``, since
        their outputs are scaled to unit length and so the scale sets the angular step of an update.
        All other weights have ``init_std``, those of queries, keys and values included, which the
        parent leaves to Xavier's rule.
        """
        super().init_weights()
        for layer in self.layers:
            nn.init.trunc_normal_(layer.attn.attn.in_proj_weight, std=self.init_std)
            nn.init.zeros_(layer.attn.attn.in_proj_bias)
        for projection in (self.patch_proj, self.classes_proj):
            nn.init.normal_(projection.weight, std=projection.in_features**-0.5)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Computes the logits of the patches after the last layer.

        Args:
            inputs: Feature maps of the encoder, (B, E, h, w) each.

        Returns:
            (B, K, h, w).
        """
        return self.readouts(inputs, 1)[0]

    def readouts(self, inputs: Sequence[Tensor], number: int) -> list[Tensor]:
        """Computes the logits of the patches after each of the last layers, in one pass.

        The tokens that leave a layer go through the norms and projections that follow the last
        one, with the same weights, so that a further readout adds no parameter.

        Args:
            inputs: Feature maps of the encoder, (B, E, h, w) each.
            number: How many of the last layers are read out.

        Returns:
            (B, K, h, w) each, that of the last layer last.

        Raises:
            WeakTrInputError: If the decoder has fewer layers.
        """
        if not 0 < number <= len(self.layers):
            raise WeakTrInputError(
                f'readout_weights: expected 1 to {len(self.layers)} weights, one for each of the '
                f'last layers of the decoder, got {number}'
            )
        features = self._transform_inputs(inputs)  # (B, E, h, w)
        patches = self.dec_proj(features.flatten(2).transpose(1, 2))  # (B, P, E)
        tokens = torch.cat((patches, self.cls_emb.expand(patches.size(0), -1, -1)), dim=1)
        outputs = []
        for depth, layer in enumerate(self.layers, start=1):
            tokens = layer(tokens)
            if depth > len(self.layers) - number:
                outputs.append(self._read_out(tokens, features.shape[2:]))
        return outputs

    def _read_out(self, tokens: Tensor, grid: Sequence[int]) -> Tensor:
        """Compares patches with classes: tokens (B, P + K, E) to logits (B, K, *grid)."""
        tokens, classes = self.decoder_norm(tokens), self.cls_emb.size(1)
        patches = F.normalize(self.patch_proj(tokens[:, :-classes]), dim=2)
        classes = F.normalize(self.classes_proj(tokens[:, -classes:]), dim=2)
        logits = self.mask_norm(patches @ classes.transpose(1, 2))  # (B, P, K)
        logits = kept(self.kept_rows, logits, dim=2)
        return logits.transpose(1, 2).reshape(tokens.size(0), -1, *grid)

    def predict(
        self, inputs: Sequence[Tensor], batch_img_metas: list[dict], test_cfg: dict | None
    ) -> Tensor:
        """Predicts the logits of pixels.

        Args:
            inputs: Feature maps of the encoder, (B, E, h, w) each.
            batch_img_metas: See :meth:`predict_by_feat`.
            test_cfg: ``readout_weights``, if it is there, tells by its length how many of the last
                layers are read out.

        Returns:
            Logits at the size of the network's input, (B, K, H, W); with R readouts (B, R * K, H,
            W), that of the last layer last.
        """
        number = len((test_cfg or {}).get('readout_weights', (1.0,)))
        return self.predict_by_feat(torch.cat(self.readouts(inputs, number), 1), batch_img_metas)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Computes the losses and the share of clipped pixels.

        Unlike the parent it upsamples once and does not wait for an accelerator.

        Args:
            seg_logits: Logits of the patches, (B, K, h, w).
            batch_data_samples: Samples with ``gt_sem_seg.data`` of shape (1, H, W).

        Returns:
            The losses by name, ``acc_seg`` (percent of the labelled pixels), and ``clipped_share``
            if a clipping loss is used.
        """
        labels = self._stack_batch_gt(batch_data_samples)  # (B, 1, H, W)
        logits = self.upsample(seg_logits, labels.shape[2:])
        weight = None if self.sampler is None else self.sampler.sample(logits, labels)
        labels = labels.squeeze(1)
        criteria = self.loss_decode
        losses: dict[str, Tensor] = {}
        for criterion in criteria if isinstance(criteria, nn.ModuleList) else [criteria]:
            loss = criterion(logits, labels, weight=weight, ignore_index=self.ignore_index)
            losses[criterion.loss_name] = losses.get(criterion.loss_name, 0) + loss
        losses['acc_seg'] = accuracy(logits.detach(), labels, self.ignore_index)
        for module in self.loss_decode.modules():
            if isinstance(module, WeakTrGradientClippingLoss):
                losses['clipped_share'] = module.clipped_share
        return losses

    def predict_by_feat(self, seg_logits: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Brings the logits of the patches to the size of the network's input.

        Args:
            seg_logits: Logits of the patches, (B, K, h, w).
            batch_img_metas: ``pad_shape`` or, in sliding windows, ``img_shape`` gives (H, W).

        Returns:
            Logits of the pixels, (B, K, H, W).
        """
        meta = batch_img_metas[0]
        is_window = isinstance(meta['img_shape'], torch.Size)
        size = meta['img_shape'] if is_window else meta.get('pad_shape', meta['img_shape'])
        return self.upsample(seg_logits, size[:2])

    def upsample(self, seg_logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Upsamples the logits of the patches bilinearly and cuts off the padding.

        Args:
            seg_logits: Logits of the patches, (B, K, h, w).
            size: Height and width of the image in pixels.

        Returns:
            Logits of the pixels, (B, K, *size).

        Raises:
            ValueError: ``size`` does not fit the number of patches.
        """
        if self.patch_size is None:
            return resize(seg_logits, size, mode='bilinear', align_corners=self.align_corners)
        patches = tuple(seg_logits.shape[-2:])
        expected = tuple(math.ceil(side / self.patch_size) for side in size)
        if patches != expected:
            raise ValueError(
                f'{patches} patches of {self.patch_size} px do not fit an image of '
                f'{tuple(size)} px: `patch_size` of the decode head must be that of the backbone'
            )
        padded = [side * self.patch_size for side in patches]
        logits = resize(seg_logits, padded, mode='bilinear', align_corners=self.align_corners)
        return logits[..., : size[0], : size[1]]
