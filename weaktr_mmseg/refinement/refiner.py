"""What a refinement is, whatever it does inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..crf.unary import label_probabilities
from ..utils.masks import IGNORE_INDEX
from .large_images import limit_pixels


class Refiner(ABC):
    """Straightens a prediction along the edges of its image.

    A subclass says what becomes of the probabilities of one image, :meth:`refine`. The segmentor
    calls :meth:`refine_batch`, which a subclass may override where several images at once are
    faster; the evaluation with several views calls :meth:`refine_winners`; pseudo labels are made
    by :meth:`refine_labels` from the label map at the threshold.

    Args:
        confidence: Probability that a label of a label map is right.
        max_pixels: Label maps of larger images are refined at this size and enlarged again.

    Raises:
        ValueError: If a number is out of range.

    Examples:
        >>> import numpy as np, torch
        >>> class Nothing(Refiner):
        ...     def refine(self, image, probabilities):
        ...         return probabilities
        >>> Nothing().refine_labels(np.zeros((1, 2, 3), np.uint8), np.array([[0, 7]], np.uint8))
        array([[0, 7]], dtype=uint8)
    """

    def __init__(self, confidence: float = 0.7, max_pixels: int = 1 << 22) -> None:
        if not 0 < confidence < 1:
            raise ValueError(f'confidence: expected a number between 0 and 1, got {confidence}')
        if max_pixels < 1:
            raise ValueError(f'max_pixels: expected at least 1, got {max_pixels}')
        self.confidence = confidence
        self.max_pixels = max_pixels

    @abstractmethod
    def refine(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """Refines the probabilities of an image.

        Args:
            image: RGB image, uint8 (H, W, 3), on the device of the probabilities.
            probabilities: Probability of each label at each pixel, float (L, H, W). They need not
                sum to 1; where a segmentor adds those of several readouts, a sum above 1 counts as
                certain.

        Returns:
            Probabilities, float (L, H, W), on the same device.

        Raises:
            ValueError: If shapes or dtypes are not those, or a number is no probability.
        """

    def refine_batch(
        self, images: Sequence[Tensor], probabilities: Sequence[Tensor]
    ) -> list[Tensor]:
        """Refines several images, one after the other unless a subclass does better.

        Args:
            images: As of :meth:`refine`; sizes may differ.
            probabilities: As of :meth:`refine`; the number of labels may differ.

        Returns:
            What :meth:`refine` returns for each.
        """
        return [self.refine(*pair) for pair in zip(images, probabilities)]

    def refine_winners(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """Refines among the classes that win at least one pixel.

        The other classes are dropped and nothing is renormalised. It is what produced the
        published scores, and at COCO's 81 classes most of a CRF's time is saved.

        Args:
            image: As of :meth:`refine`.
            probabilities: As of :meth:`refine`, of ``K`` classes.

        Returns:
            Class ids, int64 (H, W).
        """
        labels = probabilities.argmax(dim=0)
        winners = labels.unique()  # ascending
        if len(winners) == 1:
            return labels
        return winners[self.refine(image, probabilities[winners]).argmax(dim=0)]

    def refine_labels(
        self,
        image: np.ndarray,
        label_map: np.ndarray,
        labels: Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Refines a label map over a few labels.

        A pixel of 255 is unknown: it votes for no label, and it stays 255, because whoever left it
        out did so on purpose.

        Args:
            image: RGB image, uint8 (H, W, 3).
            label_map: Label of each pixel, uint8 (H, W): 0 is background.
            labels: Labels known to be in the image. A class of the image-level label counts among
                them even where it won no pixel of the map. Default: those of the map.

        Returns:
            Labels, uint8 (H, W), out of the labels given, background and 255.

        Raises:
            ValueError: If the map is not uint8 (H, W), or has a label that is not among ``labels``.
        """
        if label_map.dtype != np.uint8 or label_map.ndim != 2:
            raise ValueError(
                f'label_map: expected uint8 (H, W), got {label_map.dtype} {label_map.shape}'
            )
        found = np.setdiff1d(label_map, [IGNORE_INDEX])
        present = np.union1d([0], found if labels is None else labels).astype(np.uint8)
        if not np.isin(found, present).all():
            raise ValueError(f'label_map: expected labels {present.tolist()}, got {found.tolist()}')
        if len(present) == 1:
            return label_map.copy()

        def refine(image: np.ndarray, label_map: np.ndarray) -> np.ndarray:
            unknown = label_map == IGNORE_INDEX
            index = np.where(unknown, IGNORE_INDEX, np.searchsorted(present, label_map))
            given = label_probabilities(torch.from_numpy(index), len(present), self.confidence)
            refined = self.refine(torch.from_numpy(np.array(image)), given).argmax(0).numpy()
            return np.where(unknown, np.uint8(IGNORE_INDEX), present[refined])

        return limit_pixels(refine, self.max_pixels)(image, label_map)
