"""Everything that the CAM stage predicts about one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import TRANSFORMS
from torch import Tensor, nn

from ..models.fusions.fused_attention import attention_rows
from ..utils.configs import find_configs
from .images import check_short_side, resize

# Images whose short side is longer than this many times that of training are shrunk: maps of
# objects far larger than any seen in training are poor, and attention is quadratic in pixels.
MAX_ENLARGEMENT = 3


class CAMInspection(NamedTuple):
    """What the CAM stage makes of an image with ``K`` classes, in descending order of score.

    Attributes:
        image: RGB, uint8 (H, W, 3), at the size that the network was given at scale 1.
        class_ids: Foreground ids, int64 (K,).
        scores: Probability of every class, float (C,).
        coarse: Coarse maps in [0, 1], float32 (K, H, W).
        fused: Maps refined by the fused attention, float32 (K, H, W).
        head_weights: Weight of each head, float32 (L, heads).
        head_attention: Attention of the class tokens to the patches in each head, float32
            (L, heads, A, h, w) for the ``A`` classes ``attention_ids``.
        attention_ids: ``class_ids``, or the class with the highest score if there are none.
    """

    image: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    coarse: np.ndarray
    fused: np.ndarray
    head_weights: np.ndarray
    head_attention: np.ndarray
    attention_ids: np.ndarray


class CAMInspector:
    """Runs a CAM network on single images and keeps what is worth seeing.

    Args:
        model: Network of the CAM stage, see :func:`build_cam_model`.
        cfg: Its config; the scales of its test pipeline are used.
        score_threshold: Probability above which an image without labels has a class.
        short_side: Longest allowed short side of an image in pixels; by default
            ``MAX_ENLARGEMENT`` times that of training.
    """

    def __init__(
        self,
        model: nn.Module,
        cfg: Config,
        score_threshold: float = 0.5,
        short_side: int | None = None,
    ) -> None:
        self.model = model
        self.model.score_threshold = score_threshold
        default = MAX_ENLARGEMENT * model.backbone.img_size[0]
        self.short_side = check_short_side(short_side) or default
        multi_scale = next(find_configs(cfg.test_dataloader, 'WeakTrMultiScale'), None)
        self.scales = TRANSFORMS.build(multi_scale or dict(type='WeakTrMultiScale', scales=[1.0]))
        self.pack = TRANSFORMS.build(dict(type='PackImageLabelInputs', meta_keys=('ori_shape',)))

    @torch.inference_mode()
    def inspect(self, image: np.ndarray, labels: Sequence[int] | None = None) -> CAMInspection:
        """Predicts the maps of an image and looks into the attention behind them.

        Args:
            image: RGB, uint8 (H, W, 3).
            labels: Foreground ids that are in the image; predicted when None.
        """
        shortest = min(image.shape[:2])  # less than a patch has no token
        image = resize(image, max(self.scales.min_side, min(shortest, self.short_side)) / shortest)
        packed = self._pack(image, labels)
        batch = dict(inputs=[[scale] for scale in packed['inputs']])
        sample = self.model.test_step(dict(batch, data_samples=[packed['data_samples']]))[0]
        order = sample.class_scores[sample.cam_classes].argsort(descending=True)
        class_ids = sample.cam_classes[order]
        attended = class_ids if len(class_ids) else sample.class_scores.argmax()[None]
        weights, attention = self._attention(image, attended)
        return CAMInspection(
            image=image,
            class_ids=class_ids.cpu().numpy(),
            scores=sample.class_scores.cpu().numpy(),
            coarse=sample.coarse_cams[order].float().cpu().numpy(),
            fused=sample.cams[order].float().cpu().numpy(),
            head_weights=weights,
            head_attention=attention,
            attention_ids=attended.cpu().numpy(),
        )

    def _pack(self, image: np.ndarray, labels: Sequence[int] | None) -> dict:
        results = self.scales.transform(
            dict(img=np.ascontiguousarray(image[..., ::-1]), ori_shape=image.shape[:2])
        )
        if labels is not None:
            classes = len(self.model.dataset_meta['classes']) - 1
            results.update(image_labels=list(labels), num_foreground=classes)
        return self.pack.transform(results)

    def _attention(self, image: np.ndarray, class_ids: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Weights (L, heads) and class-to-patch attention (L, heads, A, h, w) at scale 1."""
        pixels = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).permute(2, 0, 1)
        inputs = self.model.data_preprocessor(dict(inputs=[[pixels]]))['inputs'][0][0]
        features = self.model.extract_feat(inputs)
        attention = features.attention
        rows = torch.stack(
            [
                attention_rows(query[:, :, class_ids], key)[0, ..., attention.first_patch :]
                for query, key in zip(attention.queries, attention.keys)
            ]
        )  # (L, heads, A, h * w)
        rows = rows.unflatten(3, tuple(features.patch_map.shape[-2:]))
        return attention.weights[0].T.float().cpu().numpy(), rows.float().cpu().numpy()
