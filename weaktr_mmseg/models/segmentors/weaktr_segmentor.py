"""Segmentor of the retraining stage."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from ...crf.dense_crf import unary_from_probabilities
from ...pseudo_labels.generate import build_crf
from ..checkpoint_guard import guard_layout

MAX_LOGITS = 1 << 28  # 1 GiB of float32: 21 classes at 4000 x 3200 pixels


@MODELS.register_module()
class WeakTrSegmentor(EncoderDecoder):
    """mmseg's encoder-decoder for any image and with care about checkpoints.

    It refuses an authors' checkpoint before its conversion. The parent resizes the logits of all
    classes to the original size, 6 GB for a panorama of 12,000 x 6,000 pixels and VOC's classes;
    where that is more than ``MAX_LOGITS`` numbers, the classes are resized one by one and only the
    prediction is kept.

    ``test_cfg`` may hold ``crf``, the config of a dense CRF (see :func:`build_crf`). It refines the
    prediction at the size of the network's input, so that its cost does not depend on the size of
    the photograph; :class:`WeakTrCRFTTAModel` does so at the original size, as was published.

    Args:
        **kwargs: see :class:`mmseg.models.EncoderDecoder`.

    Raises:
        WeakTrInputError: when parameters with the authors' names are loaded.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        guard_layout(self)
        crf = (self.test_cfg or {}).get('crf')
        self.crf = None if crf is None else build_crf(crf)

    def inference(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Predict, and refine the prediction where ``test_cfg`` has a CRF.

        Args:
            inputs: normalised images, (B, 3, H, W).
            batch_img_metas: metainfo of the ``B`` samples.

        Returns:
            Logits, (B, K, H, W); logarithms of probabilities after a CRF.
        """
        logits = super().inference(inputs, batch_img_metas)
        if self.crf is None:
            return logits
        images = self._pixels(inputs)
        unaries = unary_from_probabilities(logits.softmax(dim=1)).unbind()
        refined = torch.stack(self.crf.batch(images, list(unaries)))  # (B, K, H, W)
        return refined.clamp_min(torch.finfo(refined.dtype).tiny).log()

    def _pixels(self, inputs: Tensor) -> list[Tensor]:
        """Images before normalisation, uint8 (H, W, 3) each."""
        if getattr(self.data_preprocessor, '_enable_normalize', False):
            inputs = inputs * self.data_preprocessor.std + self.data_preprocessor.mean
        return list(inputs.permute(0, 2, 3, 1).round().clamp(0, 255).to(torch.uint8).unbind())

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Add predictions to samples.

        Args:
            seg_logits: logits of the padded inputs, (B, K, H, W).
            data_samples: ``B`` samples.

        Returns:
            The samples with ``pred_sem_seg`` and, unless the image is very large, ``seg_logits``.
        """
        if data_samples is None or len(data_samples) != len(seg_logits):
            return super().postprocess_result(seg_logits, data_samples)
        for index, sample in enumerate(data_samples):
            height, width = sample.metainfo['ori_shape'][:2]
            logits = seg_logits[index : index + 1]
            if height * width * logits.size(1) <= MAX_LOGITS or logits.size(1) == 1:
                super().postprocess_result(logits, [sample])
            else:
                labels = self._labels(logits, sample.metainfo)
                sample.set_data({'pred_sem_seg': PixelData(data=labels)})
        return data_samples

    def _labels(self, logits: Tensor, meta: dict) -> Tensor:
        """Most likely class at the original size, (1, H, W), of padded logits (1, K, h, w)."""
        left, right, top, bottom = meta.get('img_padding_size', meta.get('padding_size', [0] * 4))
        height, width = logits.shape[-2:]
        logits = logits[..., top : height - bottom, left : width - right]
        if meta.get('flip'):
            logits = logits.flip(3 if meta['flip_direction'] == 'horizontal' else 2)
        best = labels = logits.new_zeros(())
        for class_id, plane in enumerate(logits.split(1, dim=1)):
            plane = resize(
                plane,
                size=meta['ori_shape'][:2],
                mode='bilinear',
                align_corners=self.align_corners,
                warning=False,
            )[0]  # (1, H, W)
            if class_id == 0:
                best, labels = plane, torch.zeros_like(plane, dtype=torch.int64)
                continue
            labels[plane > best] = class_id
            best = torch.maximum(best, plane)
        return labels
