"""From what two images cost to what all of them do: large photographs take longer."""

from __future__ import annotations

from typing import Any, NamedTuple

from PIL import Image

from ..utils.files import UNREADABLE

LOOKED_AT = 500  # images whose size is read, spread over the list
LARGER = 2  # so many times the usual number of pixels tell what a pixel costs


class ImageSizes(NamedTuple):
    """How large the images of a data set are.

    Attributes:
        images: Number of images.
        pixels: Of all of them together, about.
        usual: Pixels of the image of median size.
        largest: Pixels of the largest image that was looked at.
        indices: That of two images of usual size, and of the largest.
    """

    images: int
    pixels: float
    usual: int
    largest: int
    indices: tuple[int, int, int]


class ImageCost(NamedTuple):
    """Seconds of an image: a straight line over its pixels.

    Attributes:
        image: Of an image without any pixel.
        pixel: Of each pixel.
    """

    image: float
    pixel: float = 0.0

    def of(self, sizes: ImageSizes) -> float:
        """Seconds of all images of a data set."""
        return self.image * sizes.images + self.pixel * sizes.pixels


def read_sizes(dataset: Any) -> ImageSizes:
    """Reads the heads of image files.

    Args:
        dataset: Listed, with at least one image.
    """
    total = len(dataset)
    count = min(total, LOOKED_AT)
    indices = [number * total // count for number in range(count)]
    pixels = [_pixels(dataset.get_data_info(index)['img_path']) for index in indices]
    order = sorted(range(count), key=pixels.__getitem__)
    usual, other, largest = order[count // 2], order[(count - 1) // 2], order[-1]
    return ImageSizes(
        images=total,
        pixels=sum(pixels) * total / count,
        usual=pixels[usual],
        largest=pixels[largest],
        indices=(indices[other], indices[usual], indices[largest]),
    )


def fit_cost(sizes: ImageSizes, usual: float, largest: float) -> ImageCost:
    """Computes what an image costs from the seconds of one of usual size and of the largest."""
    if sizes.largest < LARGER * sizes.usual:
        return ImageCost((usual + largest) / 2)
    pixel = max(largest - usual, 0.0) / (sizes.largest - sizes.usual)
    return ImageCost(max(usual - pixel * sizes.usual, 0.0), pixel)


def _pixels(path: str) -> int:
    """Pixels of an image file; 0 if it cannot be read, which is said elsewhere."""
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except UNREADABLE:
        return 0
