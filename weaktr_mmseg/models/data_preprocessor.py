"""Data preprocessor that accepts each test image at several scales."""

from __future__ import annotations

from typing import Any

from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS


@MODELS.register_module()
class WeakTrDataPreprocessor(SegDataPreProcessor):
    """Normalises one image or several scales of it.

    Training batches are handled by the parent. In a test batch, ``inputs`` may hold a list of
    scales, each a list with one image per sample (the layout that ``WeakTrMultiScale`` and
    mmengine's ``pseudo_collate`` produce); sizes may differ between samples.
    """

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Casts, converts and normalises.

        Args:
            data: Batch with ``inputs`` (uint8 images (3, H, W), BGR) and ``data_samples``.
            training: Whether the batch is for training.

        Returns:
            ``data_samples``, and ``inputs``: float (B, 3, H, W) in training, else for each sample
            a list of its scales, float (1, 3, h, w).
        """
        if training:
            return super().forward(data, training)
        scales = data['inputs']
        if scales[0].__class__ not in (list, tuple):
            scales = [scales]
        samples = data.get('data_samples')
        normalise = super().forward
        normalised = [
            [normalise(dict(inputs=[image]))['inputs'] for image in images] for images in scales
        ]
        return dict(
            inputs=[list(image_scales) for image_scales in zip(*normalised)],
            data_samples=self.cast_data(samples),
        )
