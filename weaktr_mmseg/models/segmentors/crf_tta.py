"""Test-time augmentation followed by a dense CRF."""

from __future__ import annotations

from typing import Any

import torch
from mmengine import fileio
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.utils import SampleList

from ...crf.dense_crf import DenseCRF, unary_from_probabilities
from ...utils.images import decode_image


@MODELS.register_module()
class WeakTrCRFTTAModel(SegTTAModel):
    """Average the probabilities of all scales and mirror images, then refine them.

    Args:
        crf: preset of :class:`weaktr_mmseg.crf.dense_crf.DenseCRF`, ``'voc_seg'`` or
            ``'coco_seg'``; None averages only.
        **kwargs: see :class:`mmseg.models.SegTTAModel`.
    """

    def __init__(self, crf: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.crf = None if crf is None else DenseCRF.from_preset(crf)

    def merge_preds(self, data_samples_list: list[SampleList]) -> SampleList:
        """Merge the predictions of every image.

        Args:
            data_samples_list: for each image its variants, with ``seg_logits.data`` (K, H, W) at
                the original size and ``img_path`` in the metainfo.

        Returns:
            For each image a sample with ``pred_sem_seg.data`` (1, H, W), int64.
        """
        merged = super().merge_preds(data_samples_list)
        if self.crf is None:
            return merged
        for sample, variants in zip(merged, data_samples_list):
            probabilities = sum(v.seg_logits.data.softmax(dim=0) for v in variants) / len(variants)
            path = variants[0].img_path
            image = decode_image(fileio.get(path), path)  # (H, W, 3)
            unary = unary_from_probabilities(probabilities)
            refined = self.crf(torch.from_numpy(image.copy()).to(unary.device), unary)
            sample.pred_sem_seg.data = refined.argmax(dim=0)
        return merged
