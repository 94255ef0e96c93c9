"""Segmentor of the CAM stage: trained with image labels, predicts class activation maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from ...utils.errors import check_choice
from ...utils.precision import FLOAT32, check_precision, predicts_in
from ..checkpoint_guard import guard_layout
from ..features import WeakTrFeatures
from ..heads.cam_head import ClassActivationMaps
from ..pixels import pixels_of
from .memory_retry import predict_within_memory

NORMALIZE_EPS = 1e-8


@MODELS.register_module()
class WeakTrCAMSegmentor(BaseSegmentor):
    """Classification network whose class activation maps become pseudo labels.

    Args:
        backbone: Config of :class:`WeakTrViT`.
        cam_head: Config of :class:`WeakTrCAMHead`.
        data_preprocessor: Config of :class:`WeakTrDataPreprocessor`.
        test_cfg: ``map`` (which of :class:`ClassActivationMaps` become the labels: ``'fine'``, the
            default, ``'attended'`` or ``'coarse'``), ``coarse`` (also predict coarse maps, default
            False), ``score_threshold`` (class probability above which an image without labels
            gets a map, default 0.5), ``memory_scales`` (factors by which an image that does not
            fit into memory may be shrunk, default none), ``precision`` (of encoder and head,
            ``'auto'``, ``'bfloat16'``, ``'float16'`` or, the default, ``'float32'``).
        train_cfg: Unused, accepted as every segmentor of mmseg does.
        init_cfg: Initialisation config of mmengine.

    Raises:
        WeakTrInputError: If ``test_cfg.map`` or ``precision`` is unknown.
    """

    def __init__(
        self,
        backbone: dict,
        cam_head: dict,
        data_preprocessor: dict | None = None,
        test_cfg: dict | None = None,
        train_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.cam_head = MODELS.build(cam_head)
        self.train_cfg = train_cfg
        test_cfg = test_cfg or {}
        self.map = test_cfg.get('map', 'fine')
        check_choice('model.test_cfg.map', self.map, ClassActivationMaps._fields)
        self.precision = check_precision(
            test_cfg.get('precision', FLOAT32), 'model.test_cfg.precision'
        )
        self.predict_coarse = test_cfg.get('coarse', False)
        self.score_threshold = test_cfg.get('score_threshold', 0.5)
        self.memory_scales = tuple(test_cfg.get('memory_scales', ()))
        guard_layout(self)

    def extract_feat(self, inputs: Tensor) -> WeakTrFeatures:
        """Runs the backbone on normalised images (B, 3, H, W)."""
        return self.backbone(inputs)

    def encode_decode(self, inputs: Tensor, batch_data_samples: Sequence[SegDataSample]) -> Tensor:
        """Maps of all classes on the patch grid, of the kind ``test_cfg.map``, (B, C, h, w)."""
        return getattr(self.cam_head.activation_maps(self.extract_feat(inputs)), self.map)

    def _forward(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None
    ) -> tuple[Tensor, ...]:
        return tuple(self.cam_head(self.extract_feat(inputs)))

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """Computes the classification losses.

        Args:
            inputs: Normalised images, float (B, 3, H, W).
            data_samples: Each with ``image_labels``, multi-hot (C,).

        Returns:
            Losses of the three branches and the further ones of the head.
        """
        targets = torch.stack([sample.image_labels for sample in data_samples])
        needed = self.cam_head.needs_images
        images = pixels_of(inputs, self.data_preprocessor) if needed else None
        return self.cam_head.loss(self.extract_feat(inputs), targets, images)

    def predict(
        self,
        inputs: Tensor | list[list[Tensor]],
        data_samples: Sequence[SegDataSample] | None = None,
    ) -> Sequence[SegDataSample]:
        """Computes multi-scale, mirrored class activation maps at the original image size.

        Samples whose scales have equal sizes run as one batch, an image and its mirror together;
        see :func:`predict_within_memory` for what happens if that is too much.

        Args:
            inputs: Normalised images, float (B, 3, H, W), or for each sample a list of its
                scales, float (1, 3, h, w).
            data_samples: ``ori_shape`` in the metainfo gives the size of the maps (default: that
                of the first scale); ``image_labels`` says which classes are present. Without it
                the classes scored above ``score_threshold`` are taken as present.

        Returns:
            The samples with ``class_scores`` (C,), ``cam_classes`` (K,), ``cams`` (K, H, W) scaled
            to [0, 1] per class, and ``coarse_cams`` likewise if requested.
        """
        if isinstance(inputs, Tensor):
            inputs = [[image[None]] for image in inputs]
        if data_samples is None:
            data_samples = [SegDataSample() for _ in inputs]
        for group in self._equal_sizes(inputs, data_samples):
            predict_within_memory(
                self._predict_group,
                [inputs[i] for i in group],
                [data_samples[i] for i in group],
                self.memory_scales,
            )
        return data_samples

    def _maps(
        self, images: Tensor, classes: Tensor | None, present: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Class logits (B, C), label and coarse maps (B, K, h, w) of images (B, 3, H, W)."""
        with predicts_in(self.precision, images.device):
            features = self.extract_feat(images)
            maps = self.cam_head.activation_maps(features, classes, present)
            logits = self.cam_head.image_logits(features)
        wanted = (logits, getattr(maps, self.map), maps.coarse)
        return tuple(value.to(images.dtype) for value in wanted)

    @staticmethod
    def _equal_sizes(
        inputs: list[list[Tensor]], data_samples: Sequence[SegDataSample]
    ) -> list[list[int]]:
        """Indices of samples that share all sizes, and whether they have labels."""
        groups: dict[tuple, list[int]] = {}
        for index, (scales, sample) in enumerate(zip(inputs, data_samples)):
            sizes = tuple(image.shape for image in scales)
            key = (sizes, _map_size(sample, scales), 'image_labels' in sample)
            groups.setdefault(key, []).append(index)
        return list(groups.values())

    def _predict_group(
        self, scales: list[Tensor], samples: list[SegDataSample], apart: bool = False
    ) -> None:
        """Adds predictions to samples of equal sizes.

        Args:
            scales: Tensors (B, 3, h, w).
            samples: ``B`` samples.
            apart: Run the mirror images in a batch of their own.
        """
        size = _map_size(samples[0], scales)
        labels = _known_labels(samples)  # (B, C) or None
        classes = known = None
        if labels is not None:
            classes = labels.any(dim=0).nonzero().flatten()  # (K,)
            known = labels[:, classes]  # (B, K)
            known = known if apart else known.repeat(2, 1)
        logits = cams = coarse = scales[0].new_zeros(())
        for images in scales:
            batches = (images, images.flip(3))
            outputs = [
                self._maps(batch, classes, known)
                for batch in (batches if apart else [torch.cat(batches)])
            ]
            class_logits, maps, coarse_maps = (torch.cat(parts) for parts in zip(*outputs))
            logits = logits + class_logits.unflatten(0, (2, -1)).mean(0)
            cams = cams + _merge_mirror(maps, size)
            if self.predict_coarse:
                coarse = coarse + _merge_mirror(coarse_maps, size)

        scores = (logits / len(scales)).sigmoid()  # (B, C)
        present = scores > self.score_threshold if labels is None else labels  # (B, C)
        if classes is None:
            classes = torch.arange(scores.size(1), device=scores.device)
        for index, sample in enumerate(samples):
            wanted = present[index, classes]
            sample.set_field(scores[index], 'class_scores')
            sample.set_field(classes[wanted], 'cam_classes')
            sample.set_field(min_max_normalize(cams[index, wanted]), 'cams')
            if self.predict_coarse:
                sample.set_field(min_max_normalize(coarse[index, wanted]), 'coarse_cams')


def _known_labels(samples: list[SegDataSample]) -> Tensor | None:
    """Image-level labels of a batch, bool (B, C), or None if its images have none."""
    if 'image_labels' not in samples[0]:
        return None
    return torch.stack([sample.image_labels for sample in samples]) > 0


def _map_size(sample: SegDataSample, scales: list[Tensor]) -> tuple[int, int]:
    return tuple(sample.metainfo.get('ori_shape', scales[0].shape[-2:])[:2])


def _merge_mirror(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsamples maps (2B, K, h, w) and adds the mirrored half to the first, (B, K, H, W)."""
    if maps.size(1) == 0:  # an image without a class, which interpolate refuses
        return maps.new_zeros(len(maps) // 2, 0, *size, dtype=torch.float32)
    maps = F.interpolate(maps.float(), size=size, mode='bilinear', align_corners=False)
    straight, mirrored = maps.chunk(2)
    return straight + mirrored.flip(3)


def min_max_normalize(maps: Tensor) -> Tensor:
    """Scales each map to [0, 1] over the image, (K, H, W) -> (K, H, W)."""
    low, high = maps.flatten(1).aminmax(dim=1) if maps.numel() else (maps.new_empty(0),) * 2
    return (maps - low[:, None, None]) / (high - low + NORMALIZE_EPS)[:, None, None]
