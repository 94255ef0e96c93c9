"""Pixel-adaptive mask refinement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..crf.unary import check_image_and_scores, check_probabilities
from .refiner import Refiner
from .registry import REFINERS

MIN_VARIANCE = 1e-6  # of flat surfaces, in squared gray levels


@REFINERS.register_module('PAMR')
class PAMRRefiner(Refiner):
    """Averages probabilities over neighbours of similar colour, again and again.

    After Araslanov and Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020,
    section 3.3. Each iteration replaces the probabilities of a pixel ``i`` by the mean over its
    neighbours ``j``, the eight of a 3 x 3 window at each dilation, weighted with the softmax over
    ``j`` of ``-|x_i - x_j| / s_i``, averaged over the three colour channels ``x``. ``s_i`` is
    ``scale`` times the standard deviation of the channel in this neighbourhood, the pixel itself
    included. The paper divides by the variance, which makes the result depend on the unit of the
    intensities; a share of the deviation does not.

    Registered as ``PAMR``. It reaches less far than a CRF.

    Args:
        iterations: Number of iterations.
        dilations: Distances of the neighbours, in pixels.
        scale: Share of the local standard deviation that a difference is measured in.
        max_pixels: See :class:`Refiner`; a pixel takes 4 bytes a neighbour.
        **kwargs: Arguments of :class:`Refiner`.

    Raises:
        ValueError: If a number is out of range.

    Examples:
        >>> import numpy as np
        >>> image = np.zeros((4, 6, 3), np.uint8)
        >>> image[:, 3:] = 200
        >>> labels = np.zeros((4, 6), np.uint8)
        >>> labels[:, 4:] = 15  # the edge is a pixel off
        >>> PAMRRefiner().refine_labels(image, labels)[0]
        array([ 0,  0,  0, 15, 15, 15], dtype=uint8)
    """

    def __init__(
        self,
        iterations: int = 10,
        dilations: Sequence[int] = (1, 2, 4, 8, 12, 24),
        scale: float = 0.1,
        max_pixels: int = 1 << 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(max_pixels=max_pixels, **kwargs)
        if iterations < 0:
            raise ValueError(f'iterations: expected at least 0, got {iterations}')
        if not dilations or min(dilations) < 1:
            raise ValueError(f'dilations: expected numbers of at least 1, got {list(dilations)}')
        if not scale > 0:
            raise ValueError(f'scale: expected a number > 0, got {scale}')
        self.iterations = iterations
        self.dilations = tuple(dilations)
        self.scale = scale

    @torch.no_grad()
    def refine(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """Refines the probabilities of an image, see :meth:`Refiner.refine`."""
        check_image_and_scores(image, probabilities, 'probabilities')
        check_probabilities(probabilities)
        weights = self._weights(image)  # (N, H, W)
        refined = probabilities.float()
        for _ in range(self.iterations):
            shifted = zip(weights, self._neighbours(refined))
            refined = sum(weight * plane for weight, plane in shifted)  # (L, H, W)
        return refined

    def _weights(self, image: Tensor) -> Tensor:
        """Weight of each neighbour of each pixel; they sum to 1, (N, H, W)."""
        pixels = image.permute(2, 0, 1).float()  # (3, H, W)
        neighbours = self._neighbours(pixels)
        total, squares = torch.zeros_like(pixels), torch.zeros_like(pixels)
        for plane in neighbours:
            total += plane - pixels
            squares += (plane - pixels) ** 2
        count = len(neighbours) + 1  # with the pixel itself, whose difference is 0
        variance = squares / count - (total / count) ** 2
        unit = self.scale * variance.clamp_min(MIN_VARIANCE).sqrt()
        affinity = torch.stack([-((plane - pixels).abs_() / unit).mean(0) for plane in neighbours])
        return affinity.softmax(dim=0)

    def _neighbours(self, planes: Tensor) -> list[Tensor]:
        """The planes (C, H, W) as seen from each neighbour; borders repeat, ``N`` views."""
        height, width = planes.shape[1:]
        reach = max(self.dilations)
        padded = F.pad(planes[None], (reach,) * 4, mode='replicate')[0]
        return [
            padded[:, reach + y : reach + y + height, reach + x : reach + x + width]
            for dilation in self.dilations
            for y in (-dilation, 0, dilation)
            for x in (-dilation, 0, dilation)
            if (y, x) != (0, 0)
        ]
