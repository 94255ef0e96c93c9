"""CAM training on a frozen encoder: head and fusion alone."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import LOOPS
from torch import Tensor
from torch.utils.data import Subset

from ..models.features import WeakTrEncoded
from ..models.pixels import pixels_of
from .frozen_encoder_loop import FrozenEncoderLoop


@LOOPS.register_module()
class WeakTrFrozenCAMLoop(FrozenEncoderLoop):
    """Trains the head of the CAM stage and the fusion on a frozen encoder.

    The head learns from the cached patch maps of all images by its loss of the coarse maps. The
    fusion learns from the attention of a few images, which is held in memory, by the head's further
    losses; without any, its weights stay as they are.

    Args:
        runner: The runner, on one process.
        dataloader: Its config or the loader.
        fusion_images: Number of images whose attention is held in memory, at most.
        fusion_batch: How many of them an iteration takes.
        **kwargs: Arguments of :class:`FrozenEncoderLoop`.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        fusion_images: int = 64,
        fusion_batch: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(runner, dataloader, **kwargs)
        self.fusion_images = fusion_images
        self.fusion_batch = fusion_batch
        self._attended: WeakTrEncoded | None = None

    def freeze(self) -> None:
        """Keeps gradients from the encoder, not from the fusion."""
        super().freeze()
        self.runner.model.backbone.attention_fusion.requires_grad_(True)

    def encode(self, inputs: Tensor) -> Tensor:
        """Patch maps of images; see the parent."""
        return self.runner.model.backbone.encode(inputs).patch_map

    def targets(self, images: Subset) -> Tensor:
        """Multi-hot labels, float (M, C)."""
        labels = torch.zeros(len(images), self.runner.model.cam_head.num_classes)
        for row, index in zip(labels, images.indices):
            row[list(self._images.get_data_info(index)['image_labels'])] = 1
        return labels

    def losses(self, patches: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Loss of the coarse maps, and those of the fusion on other images."""
        losses = self.runner.model.cam_head.coarse_loss(patches, targets)
        return losses if self._attended is None else losses | self._fusion_losses()

    @torch.no_grad()
    def prepare(self, images: Subset) -> None:
        """Keeps queries and keys of a few images, spread over the list, for the fusion."""
        model = self.runner.model.eval()
        trained = any(p.requires_grad for p in model.backbone.attention_fusion.parameters())
        if not trained or not len(model.cam_head.aux_losses):
            return
        step = max(1, -(-len(images) // self.fusion_images))
        part = Subset(images, range(0, len(images), step))
        inputs = [self.normalised(batch) for batch in self.batches(part)]
        with self.runner.optim_wrapper.optim_context(model):
            encoded = [model.backbone.encode(batch) for batch in inputs]
        self._attended = WeakTrEncoded.join(encoded)
        self._attended_images = None
        if model.cam_head.needs_images:
            self._attended_images = pixels_of(torch.cat(inputs), model.data_preprocessor)
        self._attended_labels = self.dataloader.dataset.targets[::step].to(self.device)

    def _fusion_losses(self) -> dict[str, Tensor]:
        assert self._attended is not None
        model = self.runner.model
        index = torch.randint(len(self._attended_labels), (self.fusion_batch,), device=self.device)
        features = model.backbone.fuse(self._attended.take(index))
        images = None if self._attended_images is None else self._attended_images[index]
        return model.cam_head.further_losses(features, self._attended_labels[index], images)
