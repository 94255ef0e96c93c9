"""The published evaluation: several views, two readouts of the decoder, a refinement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine import fileio
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor

from ...refinement import build_refiner, refuse_crf_key
from ...utils.images import decode_image


@MODELS.register_module()
class WeakTrCRFTTAModel(SegTTAModel):
    """Averages the scores of all views of an image, then refines them at the original size.

    A view is a scale of the image or its mirror image. Views are added one by one, so that the
    memory does not depend on their number.

    Args:
        readout_weights: Weights of the probabilities after each of the decoder's last layers,
            ``(0.8, 1.0)`` as published; by default the last layer alone.
        refine: Config of a refinement, such as ``dict(type='DenseCRF', preset='voc_seg')``, see
            :func:`weaktr_mmseg.refinement.build_refiner`; None averages only.
        **kwargs: See :class:`mmseg.models.SegTTAModel`; ``module`` is a
            :class:`WeakTrSegmentor`.
    """

    def __init__(
        self,
        readout_weights: Sequence[float] = (1.0,),
        refine: dict | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_crf_key(kwargs, 'tta_model')
        super().__init__(**kwargs)
        self.module.test_cfg = ConfigDict(
            {**self.module.test_cfg, 'readout_weights': tuple(readout_weights)}
        )
        self.refiner = build_refiner(refine)

    def test_step(self, data: dict[str, Sequence]) -> SampleList:
        """Predicts the images of a batch from all their views.

        Args:
            data: ``inputs`` and ``data_samples``, each a list with an entry for every view: the
                list of the batch's images, uint8 (3, h, w), or samples.

        Returns:
            For each image the sample of its first view with ``pred_sem_seg.data`` (1, H, W), int64.
        """
        samples = data['data_samples'][0]
        for sample, scores in zip(samples, self.scores(data)):
            sample.set_data({'pred_sem_seg': PixelData(data=self._labels(sample, scores)[None])})
        return samples

    def scores(self, data: dict[str, Sequence]) -> list[Tensor]:
        """Averages the scores of all views.

        Args:
            data: See :meth:`test_step`.

        Returns:
            For each image the scores of the classes, (K, H, W), at its original size.
        """
        totals: list[Tensor] = []
        views = list(zip(data['inputs'], data['data_samples']))
        for inputs, samples in views:
            batch = self.module.data_preprocessor(dict(inputs=inputs, data_samples=samples), False)
            scores = self.module.predict_scores(**batch)
            totals = [total.add_(s) for total, s in zip(totals, scores)] if totals else scores
        return [total.div_(len(views)) for total in totals]

    def _labels(self, sample: SegDataSample, scores: Tensor) -> Tensor:
        """Class of each pixel, (H, W)."""
        if self.refiner is None:
            return scores.argmax(dim=0)
        path = sample.img_path
        image = decode_image(fileio.get(path), path)  # (H, W, 3)
        return self.refiner.refine_winners(torch.from_numpy(image.copy()).to(scores.device), scores)
