"""Fully connected conditional random field with Gaussian edge potentials.

After Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials", NIPS 2011: mean-field inference with symmetrically normalised kernels and a Potts
compatibility. Results agree with pydensecrf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..utils.masks import IGNORE_INDEX
from .mean_field import mean_field
from .permutohedral import PermutohedralLattice

Array = TypeVar('Array', np.ndarray, Tensor)


def _check_positive(term: object) -> None:
    for name, value in vars(term).items():
        if not value > 0:
            raise ValueError(f'{type(term).__name__}.{name}: expected a number > 0, got {value}')


@dataclass(frozen=True)
class GaussianTerm:
    """Pixels nearby agree.

    Attributes:
        sxy: Standard deviation of the distance, in pixels.
        compat: Weight of the term.
    """

    sxy: float
    compat: float

    def __post_init__(self) -> None:
        _check_positive(self)

    def lattice(self, image: Tensor) -> PermutohedralLattice:
        """The lattice of the pixels of an image (H, W, 3), normalised and weighted."""
        return _gaussian_lattice(self, *image.shape[:2], image.device)


@dataclass(frozen=True)
class BilateralTerm:
    """Pixels nearby and of similar colour agree.

    Attributes:
        sxy: Standard deviation of the distance, in pixels.
        srgb: Standard deviation of the colour difference, in levels of 0 to 255.
        compat: Weight of the term.
    """

    sxy: float
    srgb: float
    compat: float

    def __post_init__(self) -> None:
        _check_positive(self)

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

    def __repr__(self) -> str:
        return f'{type(self).__name__}({list(self.terms)}, iterations={self.iterations})'

    def __call__(self, image: Array, unary: Array) -> Array:
        """Infers the label probabilities of an image.

        Args:
            image: RGB image, uint8 (H, W, 3).
            unary: Energy of each label at each pixel, such as negative log-probabilities, float
                (L, H, W). A tensor decides the device.

        Returns:
            Probabilities, float32 (L, H, W), array or tensor as the unary was.

        Raises:
            ValueError: If shapes or dtypes are not those.
        """
        return self.batch([image], [unary])[0]

    @torch.no_grad()
    def batch(self, images: Sequence[Array], unaries: Sequence[Array]) -> list[Array]:
        """Infers the label probabilities of several images of any sizes in one go.

        The images become one set of points, so the number of kernels that an iteration launches
        does not depend on how many they are: this is for GPUs; on a CPU it takes as long as one
        after the other.

        Args:
            images: RGB images, uint8 (H, W, 3) each.
            unaries: Energies, float (L, H, W) each; the number of labels may differ.

        Returns:
            Probabilities of each image, float32 (L, H, W), array or tensor as its unary was.

        Raises:
            ValueError: If lengths, shapes or dtypes do not fit.
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
            _check_image_and_unary(image, energy)
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


def unary_from_labels(labels: Array, num_labels: int, confidence: float = 0.7) -> Array:
    """Turns a label map into energies.

    The label of the map has the given probability, the others share the rest.

    Args:
        labels: Label of each pixel, integer (H, W), each less than ``num_labels``; 255 says nothing
            about a pixel: all labels are equally likely there.
        num_labels: Number of labels, ``L``.
        confidence: Probability that the label is right.

    Returns:
        Negative log-probabilities, float32 (L, H, W), array or tensor as the labels were.

    Raises:
        ValueError: If a label or the confidence is out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f'confidence: expected a number between 0 and 1, got {confidence}')
    given = torch.as_tensor(labels).long()
    known = given != IGNORE_INDEX
    chosen: Tensor = given.masked_fill(~known, 0)
    if num_labels < 1 or bool((chosen < 0).any()) or bool((chosen >= num_labels).any()):
        raise ValueError(
            f'labels: expected 0 to {num_labels - 1} or {IGNORE_INDEX}, '
            f'got {given.unique().tolist()}'
        )
    others = (1 - confidence) / max(num_labels - 1, 1)
    probability = torch.full((num_labels, *chosen.shape), others, device=chosen.device)
    probability.scatter_(0, chosen[None], confidence)
    unary = probability.log_().neg_()
    unary[:, ~known] = float(np.log(num_labels))
    return unary if isinstance(labels, Tensor) else unary.numpy()


def unary_from_probabilities(probabilities: Array, clip: float = 1e-5) -> Array:
    """Turns probabilities into energies.

    Args:
        probabilities: Probability of each label, float (L, H, W).
        clip: Smaller probabilities are raised to this, so that no label is impossible.

    Returns:
        Negative log-probabilities, float32 (L, H, W), array or tensor as the input was.
    """
    unary = torch.as_tensor(probabilities).float().clamp(clip, 1).log_().neg_()
    return unary if isinstance(probabilities, Tensor) else unary.numpy()


def refine_label_map(
    image: np.ndarray,
    label_map: np.ndarray,
    crf: DenseCRF,
    confidence: float = 0.7,
    labels: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Refines a label map with a CRF over a few labels.

    A pixel of 255 is unknown: it votes for no label, and it stays 255, because whoever left it out
    did so on purpose.

    Args:
        image: RGB image, uint8 (H, W, 3).
        label_map: Label of each pixel, uint8 (H, W): 0 is background.
        crf: The CRF.
        confidence: Probability that a label of the map is right.
        labels: Labels known to be in the image. A class of the image-level label counts among them
            even where it won no pixel of the map. Default: those of the map.

    Returns:
        Labels, uint8 (H, W), out of the labels given, background and 255.

    Raises:
        ValueError: If the map is not uint8 (H, W), or has a label that is not among ``labels``.
    """
    if label_map.dtype != np.uint8 or label_map.ndim != 2:
        raise ValueError(
            f'label_map: expected uint8 (H, W), got {label_map.dtype} {label_map.shape}'
        )
    unknown = label_map == IGNORE_INDEX
    found = np.unique(label_map[~unknown])
    present = np.union1d([0], found if labels is None else labels).astype(np.uint8)
    if not np.isin(found, present).all():
        raise ValueError(f'label_map: expected labels {present.tolist()}, got {found.tolist()}')
    if len(present) == 1:
        return label_map.copy()
    index = np.where(unknown, IGNORE_INDEX, np.searchsorted(present, label_map))
    probabilities = crf(image, unary_from_labels(index, len(present), confidence))
    return np.where(unknown, np.uint8(IGNORE_INDEX), present[probabilities.argmax(axis=0)])


def _check_image_and_unary(image: Tensor, unary: Tensor) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != torch.uint8:
        raise ValueError(f'image: expected uint8 (H, W, 3), got {image.dtype} {tuple(image.shape)}')
    if unary.ndim != 3 or unary.shape[1:] != image.shape[:2] or not unary.is_floating_point():
        raise ValueError(
            f'unary: expected float (L, {image.shape[0]}, {image.shape[1]}), '
            f'got {unary.dtype} {tuple(unary.shape)}'
        )


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
