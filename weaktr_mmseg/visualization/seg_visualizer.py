"""mmseg's visualizer with names of classes in any script."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.structures import PixelData
from mmseg.registry import VISUALIZERS
from mmseg.visualization import SegLocalVisualizer

MIN_LETTERS, SHARE = 9, 0.05  # pixels; of the shorter side


@VISUALIZERS.register_module()
class WeakTrSegVisualizer(SegLocalVisualizer):
    """Draws label maps as mmseg does; names that are not ASCII, which OpenCV cannot draw, too.

    Takes the arguments of :class:`mmseg.visualization.SegLocalVisualizer`.
    """

    def _draw_sem_seg(
        self,
        image: np.ndarray,
        sem_seg: PixelData,
        classes: Sequence[str],
        palette: Sequence[Sequence[int]],
        with_labels: bool = True,
    ) -> np.ndarray:
        stock = with_labels and all(name.isascii() for name in classes)
        drawn = super()._draw_sem_seg(image, sem_seg, classes, palette, stock)
        if stock or not with_labels:
            return drawn
        from .lettering import name_picture

        labels = np.asarray(sem_seg.cpu().data)[0]  # (H, W)
        height = max(MIN_LETTERS, SHARE * min(labels.shape))
        for label in np.unique(labels[labels < len(classes)]):
            place = self._get_center_loc((labels == label).astype(np.uint8))
            _paste(drawn, name_picture(classes[label], height), palette[label], place)
        self.set_image(drawn)
        return drawn


def _paste(
    image: np.ndarray, letters: np.ndarray, colour: Sequence[int], place: Sequence[int]
) -> None:
    """Lays letters (h, w, 4) on a ground of one colour over an image (H, W, 3), inside of it."""
    height, width = np.minimum(letters.shape[:2], image.shape[:2])
    left = min(max(int(place[0]), 0), image.shape[1] - width)
    top = min(max(int(place[1]), 0), image.shape[0] - height)
    letters = letters[:height, :width]
    opacity = letters[..., 3:] / 255
    image[top : top + height, left : left + width] = letters[..., :3] * opacity + np.asarray(
        colour
    ) * (1 - opacity)
