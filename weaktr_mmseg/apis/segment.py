"""Segmentation of photographs of any size."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmseg.apis import inference_model
from PIL import Image
from torch import Tensor, nn

from ..refinement import OF_CONFIG, build_refiner
from ..utils.errors import WeakTrInputError
from ..utils.images import resize_array
from .images import check_short_side, resize

# Longer images are predicted at this side and enlarged: the scores of all classes at every pixel
# of a camera's image would take gigabytes.
MAX_SIDE = 2048


class PhotoSegmentor:
    """Predicts the class of every pixel of a photograph.

    Images go through the test pipeline of the config and mmseg's ``inference_model``. A network
    that sees images whole and whose test pipeline does not resize them expects the size it was
    trained with; then images are first brought to that short side.

    Args:
        model: Segmentor, see :func:`build_segmentor`; it is not changed.
        refine: Config of a refinement of the probabilities at the size of the image, in place of
            that of ``test_cfg``, see :func:`weaktr_mmseg.refinement.build_refiner`; None for none,
            ``'config'`` for that of ``test_cfg`` at the size that the network sees.
        short_side: Short side in pixels at which the network sees an image, whatever the test
            pipeline resizes to; None for the above.

    Examples:
        >>> from mmseg.apis import init_model
        >>> from weaktr_mmseg.utils.shipped_files import find_config
        >>> config = Config.fromfile(find_config('weaktr_demo_retrain'))
        >>> untrained = init_model(config, device='cpu')  # trained ones: weaktr_mmseg.apis
        >>> segment = PhotoSegmentor(untrained)
        >>> labels = segment(np.zeros((40, 60, 3), np.uint8))
        >>> labels.shape, labels.dtype
        ((40, 60), dtype('uint8'))
    """

    def __init__(
        self,
        model: nn.Module,
        refine: dict | Literal['config'] | None = OF_CONFIG,
        short_side: int | None = None,
    ) -> None:
        self.model = copy.copy(model)
        self.refiner = None
        if refine != OF_CONFIG:
            self.model.refiner = None
            self.refiner = build_refiner(refine)
        if short_side is not None:
            self.model.cfg = _without_resizing(model.cfg)
        self.short_side = check_short_side(short_side) or trained_short_side(model.cfg)
        if self.refiner is not None or self.short_side is not None:
            self.model.max_logits = math.inf  # they are needed, and MAX_SIDE bounds them

    @torch.inference_mode()
    def __call__(self, image: np.ndarray, present: Sequence[str] | None = None) -> np.ndarray:
        """Segments an image.

        Args:
            image: RGB, uint8 (H, W, 3).
            present: Names of the classes that the image is known to show; every pixel gets one of
                these or the background. None if nothing is known.

        Returns:
            Labels, uint8 (H, W), 0 for the background.

        Raises:
            WeakTrInputError: If the network does not know a class.
        """
        self.model.allowed_classes = None if present is None else self._ids(present)
        work = resize(image, min(1.0, MAX_SIDE / max(image.shape[:2])))
        factor = 1.0
        if self.short_side is not None:
            factor = self.short_side / min(work.shape[:2])
        seen = resize(work, factor)
        sample = inference_model(self.model, np.ascontiguousarray(seen[..., ::-1]))
        if seen.shape == work.shape and self.refiner is None:
            labels = sample.pred_sem_seg.data[0]
        else:
            labels = self._labels(sample.seg_logits.data, work)
        found = labels.cpu().numpy().astype(np.uint8)  # (h, w)
        return resize_array(found, image.shape[:2], Image.Resampling.NEAREST)

    def _ids(self, present: Sequence[str]) -> list[int]:
        classes = list(self.model.dataset_meta['classes'])
        unknown = sorted(set(present) - set(classes[1:]))
        if unknown:
            raise WeakTrInputError(
                f'labels: expected classes of the network, {", ".join(classes[1:])}; got '
                f'{", ".join(unknown)}'
            )
        return [0, *(classes.index(name) for name in present)]

    def _labels(self, logits: Tensor, image: np.ndarray) -> Tensor:
        """Labels at the size of an image (h, w, 3) from logits (K, h', w')."""
        logits = F.interpolate(
            logits[None].float(), image.shape[:2], mode='bilinear', align_corners=False
        )[0]
        if self.refiner is None:
            return logits.argmax(dim=0)
        pixels = torch.from_numpy(np.array(image)).to(logits.device)
        return self.refiner.refine(pixels, logits.softmax(dim=0)).argmax(dim=0)


def trained_short_side(cfg: Config) -> int | None:
    """Size that a network needs its images in, or None if the config sees to that itself."""
    resizes = any(_resizes(step) for step in _test_pipeline(cfg))
    whole = (cfg.model.get('test_cfg') or {}).get('mode', 'whole') == 'whole'
    size = cfg.model.backbone.get('img_size')
    if resizes or not whole or size is None:
        return None
    return int(min(size)) if isinstance(size, Sequence) else int(size)


def _test_pipeline(cfg: Config) -> list[dict]:
    return cfg.get('test_pipeline') or cfg.test_dataloader.dataset.pipeline


def _resizes(step: dict) -> bool:
    return 'Resize' in str(step.get('type'))


def _without_resizing(cfg: Config) -> Config:
    """A copy whose test pipeline leaves images at their size."""
    cfg = copy.deepcopy(cfg)
    cfg.test_pipeline = [step for step in _test_pipeline(cfg) if not _resizes(step)]
    return cfg


def class_areas(labels: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Share of the image that each class found in it covers, largest first.

    Args:
        labels: uint8 (H, W).
        classes: Names, background first.
    """
    counts = np.bincount(labels.ravel(), minlength=len(classes))
    order = np.argsort(-counts, kind='stable')
    return {classes[i]: float(counts[i] / labels.size) for i in order if counts[i]}


def overlay(
    image: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]], opacity: float = 0.55
) -> np.ndarray:
    """Tints an image by class with outlined regions; the background keeps its colours.

    Args:
        image: RGB, uint8 (H, W, 3).
        labels: uint8 (H, W).
        palette: RGB colour of each class.
        opacity: Share of the tint.

    Returns:
        RGB, uint8 (H, W, 3).
    """
    colours = np.asarray(palette, np.uint8)[labels]
    mixed = (image * (1 - opacity) + colours * opacity).astype(np.uint8)
    result = np.where((labels > 0)[..., None], mixed, image)
    border = np.zeros(labels.shape, bool)
    border[:-1] |= labels[:-1] != labels[1:]
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    if min(labels.shape) >= 200:  # in smaller images lines would hide more than they show
        result[border] = 255
    return result
