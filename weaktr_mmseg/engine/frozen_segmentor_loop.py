"""Retraining on a frozen encoder: the decode head alone."""

from __future__ import annotations

import torch
from mmengine.structures import PixelData
from mmseg.registry import LOOPS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.utils.data import Subset

from ..utils.progress import progress_bar
from .frozen_encoder_loop import FrozenEncoderLoop


@LOOPS.register_module()
class WeakTrFrozenSegmentorLoop(FrozenEncoderLoop):
    """Trains a decode head of mmseg on the last feature map of a frozen encoder."""

    def encode(self, inputs: Tensor) -> Tensor:
        """Patch maps of images; see the parent."""
        return self.runner.model.extract_feat(inputs)[-1]

    def targets(self, images: Subset) -> Tensor:
        """Masks as the data pipeline gives them, uint8 (M, H, W)."""
        batches = progress_bar(self.batches(images), desc='Reading masks')
        masks = [
            sample.gt_sem_seg.data.to(torch.uint8)
            for batch in batches
            for sample in batch['data_samples']
        ]
        return torch.cat(masks)

    def losses(self, patches: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Losses of the decode head."""
        model = self.runner.model
        samples = [SegDataSample(gt_sem_seg=PixelData(data=mask[None].long())) for mask in targets]
        return model.decode_head.loss((patches,), samples, model.train_cfg)
