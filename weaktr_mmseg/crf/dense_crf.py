"""Fully connected conditional random field with Gaussian edge potentials.

After Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials", NIPS 2011: mean-field inference with symmetrically normalised kernels and a Potts
compatibility. Results agree with pydensecrf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .mean_field import mean_field
from .permutohedral import PermutohedralLattice
from .unary import Array, check_finite, check_image_and_scores


class _Positive:
    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(
                    f'{type(self).__name__}.{name}: expected a number > 0, got {value}'
                )


@dataclass(frozen=True)
class GaussianTerm(_Positive):
    """Pixels nearby agree.

    Attributes:
        sxy: Standard deviation of the distance, in pixels.
        compat: Weight of the term.
    """

    sxy: float
    compat: float

    def lattice(self, image: Tensor) -> PermutohedralLattice:
        """The lattice of the pixels of an image (H, W, 3), normalised and weighted."""
        return _gaussian_lattice(self, *image.shape[:2], image.device)


@dataclass(frozen=True)
class BilateralTerm(_Positive):
    """Pixels nearby and of similar colour agree.

    Attributes:
        sxy: Standard deviation of the distance, in pixels.
        srgb: Standard deviation of the colour difference, in levels of 0 to 255.
        compat: Weight of the term.
    """

    sxy: float
    srgb: float
    compat: float

    def lattice(self, image: Tensor) -> PermutohedralLattice:
        """The lattice of the pixels of an image (H, W, 3), normalised and weighted."""
        colours = image.reshape(-1, 3).t() / self.srgb  # (3, H * W)
        height, width, _ = image.shape
        positions = _positions(height, width, self.sxy, image.device)
        return _normalised(torch.cat([positions, colours]), self.compat)


Term = GaussianTerm | BilateralTerm

# Published settings: on the label maps of class activation maps, on probabilities of the segmentor.
PRESETS: dict[str, tuple[Term, ...]] = {
    'voc_cam': (GaussianTerm(sxy=4, compat=3), BilateralTerm(sxy=83, srgb=5, compat=3)),
    'coco_cam': (GaussianTerm(sxy=3, compat=3), BilateralTerm(sxy=50, srgb=5, compat=10)),
    'voc_seg': (GaussianTerm(sxy=3, compat=3), BilateralTerm(sxy=83, srgb=5, compat=3)),
    'coco_seg': (GaussianTerm(sxy=1, compat=3), BilateralTerm(sxy=67, srgb=3, compat=4)),
}


class DenseCRF:
    """Mean-field inference in a fully connected CRF.

    Every iteration replaces the label probabilities ``Q`` by
    ``softmax(-unary + sum of compat * K Q over the terms)`` with kernels ``K`` normalised from both
    sides, ``K = D^-1/2 G D^-1/2``, ``D`` the row sums of the Gaussian kernel ``G``.

    Lattices of Gaussian terms are shared by all images of one size, in a cache of the process.

    Args:
        terms: Pairwise terms.
        iterations: Number of mean-field iterations.

    Raises:
        ValueError: If there is no term, or the number of iterations is negative.

    Examples:
        >>> import numpy as np
        >>> from weaktr_mmseg.crf import unary_from_labels
        >>> image = np.zeros((20, 20, 3), np.uint8)
        >>> image[:, 10:] = 200
        >>> labels = np.zeros((20, 20), np.uint8)
        >>> labels[:, 8:] = 1  # the edge is two pixels off
        >>> crf = DenseCRF.from_preset('voc_cam')
        >>> probabilities = crf(image, unary_from_labels(labels, 2))  # (2, 20, 20)
        >>> int((probabilities.argmax(0)[0] == 1).sum())
        10
    """

    def __init__(self, terms: Sequence[Term], iterations: int = 10) -> None:
        if not terms:
            raise ValueError('terms: expected at least one, got none')
        if iterations < 0:
            raise ValueError(f'iterations: expected at least 0, got {iterations}')
        self.terms = tuple(terms)
        self.iterations = iterations

    @classmethod
    def from_preset(cls, name: str) -> DenseCRF:
        """Builds a CRF with published parameters.

        Args:
            name: ``voc_cam`` or ``coco_cam`` for label maps of class activation maps, ``voc_seg``
                or ``coco_seg`` for probabilities of a segmentor.

        Raises:
            ValueError: If there is no such preset.
        """
        if name not in PRESETS:
            raise ValueError(f'DenseCRF preset: expected one of {sorted(PRESETS)}, got {name!r}')
        return cls(PRESETS[name])

    def __call__(self, image: Array, unary: Array) -> Array:
        """Infers the label probabilities of an image.

        Args:
            image: RGB image, uint8 (H, W, 3).
            unary: Energy of each label at each pixel, such as negative log-probabilities, float
                (L, H, W). A tensor decides the device.

        Returns:
            Probabilities, float32 (L, H, W), array or tensor as the unary was.

        Raises:
            ValueError: If shapes or dtypes are not those, or an energy is not finite.
        """
        return self.batch([image], [unary])[0]

    @torch.no_grad()
    def batch(self, images: Sequence[Array], unaries: Sequence[Array]) -> list[Array]:
        """Infers the label probabilities of several images of any sizes together.

        The images become one set of points, so the number of kernels that an iteration launches
        does not depend on how many they are: this is for GPUs; on a CPU it takes as long as one
        after the other.

        Args:
            images: RGB images, uint8 (H, W, 3) each.
            unaries: Energies, float (L, H, W) each; the number of labels may differ.

        Returns:
            Probabilities of each image, float32 (L, H, W), array or tensor as its unary was.

        Raises:
            ValueError: If lengths, shapes or dtypes do not fit, or an energy is not finite.
        """
        if len(images) != len(unaries):
            raise ValueError(
                f'expected a unary for each of {len(images)} images, got {len(unaries)}'
            )
        if not images:
            return []
        energies = [torch.as_tensor(unary) for unary in unaries]
        pixels = [torch.as_tensor(image).to(u.device) for image, u in zip(images, energies)]
        for image, energy in zip(pixels, energies):
            check_image_and_scores(image, energy, 'unary')
            check_finite(energy)
        lattices = [
            PermutohedralLattice.concatenate([term.lattice(image) for image in pixels])
            for term in self.terms
        ]
        flat = mean_field(_stack_labels(energies), lattices, self.iterations)  # (points, labels)
        parts = flat.split([energy[0].numel() for energy in energies])
        results = [
            part[:, : len(unary)].t().reshape(unary.shape) for part, unary in zip(parts, unaries)
        ]
        return [
            result if isinstance(unary, Tensor) else result.numpy()
            for result, unary in zip(results, unaries)
        ]


def _positions(height: int, width: int, sxy: float, device: torch.device) -> Tensor:
    """Column and row of each pixel in units of ``sxy``, float32 (2, H * W)."""
    rows = torch.arange(height, dtype=torch.float32, device=device) / sxy
    columns = torch.arange(width, dtype=torch.float32, device=device) / sxy
    return torch.stack([columns.repeat(height), rows.repeat_interleave(width)])


@lru_cache(maxsize=8)
@torch.no_grad()
def _gaussian_lattice(
    term: GaussianTerm, height: int, width: int, device: torch.device
) -> PermutohedralLattice:
    return _normalised(_positions(height, width, term.sxy, device), term.compat)


def _normalised(features: Tensor, compat: float) -> PermutohedralLattice:
    """Builds the lattice of a kernel normalised from both sides, times a weight.

    Filtering leaves out the constant of the Gaussian: the normalisation cancels it. The published
    numbers come from a lattice built over four pixels at once, the last of them filled up with
    points at the origin, whose vertices conduct the blur: probabilities differ by up to 0.07 (black
    pixels in the upper left corner) where they are missing.
    """
    points = features.shape[1]
    ghosts = -points % 4
    lattice = PermutohedralLattice.build(F.pad(features, (0, ghosts)), ghosts)
    row_sums = lattice.filter(features.new_ones(points, 1)).view(-1)
    norm = row_sums.rsqrt()
    return lattice.scaled(norm, norm * compat)


def _stack_labels(unaries: Sequence[Tensor]) -> Tensor:
    """Lays the pixels of all images one after the other, float32 (points, labels).

    The least energy of each pixel becomes 0, which changes no probability. Labels that an image
    lacks get infinite energy there: their probability stays 0.
    """
    pixels = [unary[0].numel() for unary in unaries]
    labels = max(len(unary) for unary in unaries)
    stacked = torch.empty(sum(pixels), labels, device=unaries[0].device)
    for rows, unary in zip(stacked.split(pixels), unaries):
        rows[:, : len(unary)] = unary.flatten(1).t()
        rows[:, len(unary) :] = torch.inf
        rows -= unary.flatten(1).amin(0)[:, None]
    return stacked
