"""Refinement by a fully connected CRF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..crf.dense_crf import PRESETS, BilateralTerm, DenseCRF, GaussianTerm, Term
from ..crf.unary import unary_from_probabilities
from .refiner import Refiner
from .registry import REFINERS


@REFINERS.register_module('DenseCRF')
class DenseCRFRefiner(Refiner):
    """Infers probabilities with :class:`weaktr_mmseg.crf.DenseCRF`, registered as ``DenseCRF``.

    The terms are those of a preset, or given; at least one of the two.

    Args:
        preset: Published terms: ``voc_cam`` or ``coco_cam`` for label maps of class activation
            maps, ``voc_seg`` or ``coco_seg`` for probabilities of a segmentor.
        gaussian: ``dict(sxy, compat)``: pixels nearby agree.
        bilateral: ``dict(sxy, srgb, compat)``: pixels nearby and of similar colour agree.
        iterations: Number of mean-field iterations.
        **kwargs: Arguments of :class:`Refiner`.

    Raises:
        ValueError: If the preset is unknown, neither or both kinds of terms are given, or a number
            is out of range.

    Examples:
        >>> import numpy as np
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> image[:, 4:] = 200
        >>> labels = np.zeros((8, 8), np.uint8)
        >>> labels[:, 5:] = 15  # the edge is a pixel off
        >>> DenseCRFRefiner(preset='voc_cam').refine_labels(image, labels)[0]
        array([ 0,  0,  0,  0, 15, 15, 15, 15], dtype=uint8)
    """

    def __init__(
        self,
        preset: str | None = None,
        gaussian: Mapping[str, float] | None = None,
        bilateral: Mapping[str, float] | None = None,
        iterations: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.crf = DenseCRF(_terms(preset, gaussian, bilateral), iterations)

    def refine(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """Refines the probabilities of an image, see :meth:`Refiner.refine`."""
        return self.crf(image, unary_from_probabilities(probabilities))

    def refine_batch(
        self, images: Sequence[Tensor], probabilities: Sequence[Tensor]
    ) -> list[Tensor]:
        """Refines several images together, see :meth:`weaktr_mmseg.crf.DenseCRF.batch`."""
        return self.crf.batch(images, [unary_from_probabilities(given) for given in probabilities])


def _terms(
    preset: str | None,
    gaussian: Mapping[str, float] | None,
    bilateral: Mapping[str, float] | None,
) -> tuple[Term, ...]:
    given = (gaussian, bilateral)
    if (preset is None) == (given == (None, None)):
        raise ValueError(
            f'expected either a preset ({", ".join(sorted(PRESETS))}) or the terms gaussian and '
            f'bilateral, got preset={preset!r}, gaussian={gaussian}, bilateral={bilateral}; '
            'where a base config gives the other, add _delete_=True'
        )
    if preset is not None:
        return DenseCRF.from_preset(preset).terms
    kinds = (GaussianTerm, BilateralTerm)
    return tuple(kind(**term) for kind, term in zip(kinds, given) if term is not None)
