"""Segmentor of the retraining stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from ...refinement import build_refiner, refuse_crf_key
from ...utils.errors import check_choice, input_errors
from ...utils.precision import FLOAT32, check_precision, predicts_in
from ..checkpoint_guard import guard_layout
from ..pixels import pixels_of
from .windows import enlarge_small, window_starts

MAX_LOGITS = 1 << 28  # 1 GiB of float32: 21 classes at 4000 x 3200 pixels
ABSENT_LOGIT = -1e4  # whose probability is 0, in half precision as well
TINY = torch.finfo(torch.float32).tiny  # of which a logarithm exists
BOTH = 'both'
PREDICTED_GIVEN_LABELS = 'pred_sem_seg_given_labels'


def _without_padding(logits: Tensor, meta: dict) -> Tensor:
    left, right, top, bottom = meta.get('img_padding_size', meta.get('padding_size', [0] * 4))
    height, width = logits.shape[-2:]
    return logits[..., top : height - bottom, left : width - right]


def _mirrored_back(maps: Tensor, meta: dict) -> Tensor:
    if not meta.get('flip'):
        return maps
    return maps.flip(-1 if meta['flip_direction'] == 'horizontal' else -2)


@MODELS.register_module()
class WeakTrSegmentor(EncoderDecoder):
    """mmseg's encoder-decoder for any image and with care about checkpoints.

    It refuses an authors' checkpoint before its conversion. The parent resizes the logits of all
    classes to the original size, 6 GB for a panorama of 12,000 x 6,000 pixels and VOC's classes;
    where that is more numbers than the attribute ``max_logits``, the classes are resized one by
    one and only the prediction is kept.

    Beside mmseg's keys, ``test_cfg`` may hold these:

    * ``enlarge_small=True``: an input of sliding windows whose short side is below that of the
      window is enlarged to it, as in the published evaluation.
    * ``readout_weights=(0.8, 1.0)``: the decoder is read out after each of its last layers, and the
      probabilities are added with these weights. Training is not affected, validation is:
      :class:`WeakTrCRFTTAModel` sets it for the test alone.
    * ``refine``, the config of a refinement (see :func:`weaktr_mmseg.refinement.build_refiner`). It
      refines the prediction at the size of the network's input, so that its cost does not depend
      on the size of the photograph; :class:`WeakTrCRFTTAModel` does so at the original size, as was
      published.
    * ``use_image_labels=True``: samples with ``image_labels`` get the background and the classes
      that they are labelled with, no other; probabilities are renormalised among them. ``'both'``
      predicts without the labels and adds ``pred_sem_seg_given_labels`` from the same logits. An
      attribute ``allowed_classes`` (ids with background) restricts images without samples of their
      own.
    * ``precision``, ``'auto'``, ``'bfloat16'``, ``'float16'`` or, the default, ``'float32'``: that
      of encoder and head in prediction. Everything after them is in float32.

    Args:
        **kwargs: See :class:`mmseg.models.EncoderDecoder`.

    Raises:
        WeakTrInputError: When parameters with the authors' names are loaded, or ``refine`` is no
            refinement, or ``mode`` neither ``'whole'`` nor ``'slide'``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        guard_layout(self)
        test_cfg = self.test_cfg or {}
        check_choice('model.test_cfg.mode', test_cfg.get('mode', 'whole'), ('whole', 'slide'))
        with input_errors('test_cfg'):
            refuse_crf_key(test_cfg, 'test_cfg')
            self.refiner = build_refiner(test_cfg.get('refine'))
        self.precision = check_precision(
            test_cfg.get('precision', FLOAT32), 'model.test_cfg.precision'
        )
        self.allowed_classes: Sequence[int] | None = None
        self.max_logits: float = MAX_LOGITS

    @property
    def readout_weights(self) -> tuple[float, ...]:
        """Weights of the probabilities after each of the decoder's last layers."""
        return tuple((self.test_cfg or {}).get('readout_weights', (1.0,)))

    def inference(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Predicts, and refines the prediction where ``test_cfg`` has a refinement.

        Args:
            inputs: Normalised images, (B, 3, H, W).
            batch_img_metas: Metainfo of the ``B`` samples.

        Returns:
            Logits of all readouts, (B, R * K, h, w), at the size of the inputs or, where they were
            enlarged, at that size; logarithms of probabilities (B, K, h, w) after a
            refinement.
        """
        inputs, logits = self._logits(inputs, batch_img_metas)
        return self._refined(inputs, self._restrict(logits, batch_img_metas))

    def _logits(self, inputs: Tensor, metas: list[dict]) -> tuple[Tensor, Tensor]:
        """Inputs, enlarged if they are to be, and their logits (B, R * K, h, w)."""
        if self.test_cfg.get('mode') == 'slide' and self.test_cfg.get('enlarge_small'):
            inputs = enlarge_small(inputs, min(self.test_cfg.crop_size))
        return inputs, super().inference(inputs, metas)

    def _refined(self, inputs: Tensor, logits: Tensor) -> Tensor:
        if self.refiner is None:
            return logits
        images = self._pixels(inputs)
        scores = self._combine(logits).unbind()
        refined = torch.stack(self.refiner.refine_batch(images, scores))  # (B, K, H, W)
        return refined.clamp_min(TINY).log()

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Predicts; see :class:`mmseg.models.EncoderDecoder`, and ``use_image_labels`` above."""
        uses = self.test_cfg.get('use_image_labels')
        if uses == BOTH and any('image_labels' in sample for sample in data_samples or ()):
            return self._predict_both(inputs, data_samples or [])
        if uses is True:
            self._note_allowed(data_samples)
        return super().predict(inputs, data_samples)

    def _predict_both(
        self, inputs: Tensor, data_samples: list[SegDataSample]
    ) -> list[SegDataSample]:
        """Predicts without and with the labels from one pass through the network."""
        inputs, logits = self._logits(inputs, [sample.metainfo for sample in data_samples])
        self.postprocess_result(self._refined(inputs, logits), data_samples)
        given = [SegDataSample(metainfo=sample.metainfo) for sample in data_samples]
        self._note_allowed(data_samples)
        logits = self._restrict(logits.clone(), [sample.metainfo for sample in data_samples])
        self.postprocess_result(self._refined(inputs, logits), given)
        for sample, restricted in zip(data_samples, given):
            if 'image_labels' in sample:
                sample.set_data({PREDICTED_GIVEN_LABELS: restricted.pred_sem_seg})
        return data_samples

    @staticmethod
    def _note_allowed(data_samples: list[SegDataSample] | None) -> None:
        """Puts the classes that a sample may get into its metainfo."""
        for sample in data_samples or ():
            if 'image_labels' in sample:
                present = sample.image_labels.nonzero().flatten() + 1
                sample.set_metainfo(dict(allowed_classes=[0, *present.tolist()]))

    def _restrict(self, logits: Tensor, metas: list[dict]) -> Tensor:
        """Logits (B, R * K, h, w) in which classes that an image may not get have none."""
        for one, meta in zip(logits, metas):
            allowed = meta.get('allowed_classes', self.allowed_classes)
            if allowed is not None:
                absent = torch.ones(self.out_channels, dtype=torch.bool, device=one.device)
                absent[list(allowed)] = False
                readouts = len(one) // self.out_channels
                one[absent.repeat(readouts)] = ABSENT_LOGIT
        return logits

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Logits (B, R * K, H, W) of images (B, 3, H, W), in their dtype."""
        with predicts_in(self.precision, inputs.device):
            return super().encode_decode(inputs, batch_img_metas).to(inputs.dtype)

    def slide_inference(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Averages the logits of overlapping windows, each of which the network sees alone.

        The windows are the parent's, which knows one readout alone and pads the logits of each
        window to the size of the whole image before it adds them.

        Args:
            inputs: Normalised images, (B, 3, H, W).
            batch_img_metas: Metainfo of the ``B`` samples; overwrites ``img_shape`` of the first.

        Returns:
            Logits of all readouts, (B, R * K, H, W).
        """
        height, width = self.test_cfg.crop_size
        rows, columns = (
            window_starts(*sides)
            for sides in zip(inputs.shape[2:], self.test_cfg.crop_size, self.test_cfg.stride)
        )
        channels = len(self.readout_weights) * self.out_channels
        total = inputs.new_zeros(len(inputs), channels, *inputs.shape[2:])
        count = inputs.new_zeros(inputs.shape[2:])
        for top in rows:
            for left in columns:
                box = (..., slice(top, top + height), slice(left, left + width))
                window = inputs[box]
                batch_img_metas[0]['img_shape'] = window.shape[2:]
                total[box] += self.encode_decode(window, batch_img_metas)
                count[box] += 1
        return total.div_(count)

    def _combine(self, logits: Tensor) -> Tensor:
        """Adds the weighted probabilities of all readouts, (B, R * K, H, W) to (B, K, H, W).

        After a refinement there is one of them.
        """
        weights = self.readout_weights if logits.size(1) > self.out_channels else (1.0,)
        parts = (part.softmax(dim=1) for part in logits.chunk(len(weights), dim=1))
        return sum(weight * part for weight, part in zip(weights, parts))

    def predict_scores(self, inputs: Tensor, data_samples: list[SegDataSample]) -> list[Tensor]:
        """Predicts the scores of the classes at the original size, mirrored back.

        Logits are resized before they become probabilities.

        Args:
            inputs: Normalised images, (B, 3, H, W).
            data_samples: ``B`` samples.

        Returns:
            For each sample ``sum of weight * probabilities`` over the readouts, (K, H, W); the
            scores of a pixel sum to the sum of the weights.
        """
        if self.test_cfg.get('use_image_labels') is True:
            self._note_allowed(data_samples)
        metas = [sample.metainfo for sample in data_samples]
        logits = self.inference(inputs, [dict(meta) for meta in metas])
        return [self._scores(one, meta) for one, meta in zip(logits.split(1), metas)]

    def _scores(self, logits: Tensor, meta: dict) -> Tensor:
        """Scores (K, H, W) at the original size of padded logits (1, R * K, h, w)."""
        logits = self._enlarged(_without_padding(logits, meta), meta)
        return _mirrored_back(self._combine(logits)[0], meta)

    def _enlarged(self, logits: Tensor, meta: dict) -> Tensor:
        """Logits (B, K, h, w) at the original size."""
        size, corners = meta['ori_shape'][:2], self.align_corners
        return resize(logits, size, mode='bilinear', align_corners=corners, warning=False)

    def _pixels(self, inputs: Tensor) -> list[Tensor]:
        """Images before normalisation, uint8 (H, W, 3) each."""
        pixels = pixels_of(inputs, self.data_preprocessor)
        return list(pixels.permute(0, 2, 3, 1).round().clamp(0, 255).to(torch.uint8).unbind())

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Adds predictions to samples.

        Args:
            seg_logits: Logits of the padded inputs, (B, R * K, H, W).
            data_samples: ``B`` samples.

        Returns:
            The samples with ``pred_sem_seg`` and, unless the image is very large, ``seg_logits``:
            logarithms of the scores where several readouts are combined.
        """
        if data_samples is None or len(data_samples) != len(seg_logits):
            return super().postprocess_result(seg_logits, data_samples)
        for index, sample in enumerate(data_samples):
            height, width = sample.metainfo['ori_shape'][:2]
            logits = seg_logits[index : index + 1]
            if logits.size(1) > self.out_channels:
                scores = self._scores(logits, sample.metainfo)
                sample.set_data(
                    dict(
                        seg_logits=PixelData(data=scores.clamp_min(TINY).log()),
                        pred_sem_seg=PixelData(data=scores.argmax(dim=0, keepdim=True)),
                    )
                )
            elif height * width * logits.size(1) <= self.max_logits or logits.size(1) == 1:
                super().postprocess_result(logits, [sample])
            else:
                labels = self._labels(logits, sample.metainfo)
                sample.set_data({'pred_sem_seg': PixelData(data=labels)})
        return data_samples

    def _labels(self, logits: Tensor, meta: dict) -> Tensor:
        """Most likely class at the original size, (1, H, W), of padded logits (1, K, h, w)."""
        logits = _mirrored_back(_without_padding(logits, meta), meta)
        planes = (self._enlarged(plane, meta)[0] for plane in logits.split(1, dim=1))
        best = next(planes)  # (1, H, W)
        labels = torch.zeros_like(best, dtype=torch.int64)
        for class_id, plane in enumerate(planes, start=1):
            labels[plane > best] = class_id
            best = torch.maximum(best, plane)
        return labels
