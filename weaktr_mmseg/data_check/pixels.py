"""Checks that open every image and mask."""

from __future__ import annotations

import hashlib
import io
import os.path as osp
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from ..datasets.mask_faults import no_foreground
from ..utils.images import decode_image
from ..utils.masks import read_mask
from ..utils.progress import progress_bar
from .lists import Listing
from .problems import Report

Facts = TypeVar('Facts')
FEW_LEVELS = 64
MIN_SIDE = 16  # pixels: smaller images do not fill one patch
GRID = 8  # rows and columns of the fingerprint of an image
LEAST_CONTRAST = 4.0  # gray levels: a plain surface looks like any other
SIMILAR_BITS = 3  # of GRID * GRID, in which fingerprints of similar images differ at most


class ImageFacts(NamedTuple):
    """What opening an image file once reveals."""

    size: tuple[int, int] | None  # height, width as trained on; None if unreadable
    digest: bytes
    problem: str
    loss: str = ''  # what of the file is not seen
    look: np.ndarray | None = None  # fingerprint, uint8 (GRID,); None for a plain surface


class MaskFacts(NamedTuple):
    """What opening a mask file once reveals."""

    size: tuple[int, int] | None
    ids: tuple[int, ...]
    palette: list[list[int]] | None  # colours of the ids, None for a grayscale file
    problem: str


def check_pixels(
    listings: Sequence[Listing], report: Report, workers: int = 4, progress: bool = True
) -> None:
    """Opens every image and mask once, in parallel.

    Args:
        listings: The data sets.
        report: Gets a problem for every file that is unreadable, of a wrong size or form, has
            unknown ids, or has the content of another file.
        workers: Number of threads; decoding runs outside the interpreter lock.
        progress: Show a progress bar.
    """
    images = sorted({path for listing in listings for path in listing.images.values()})
    masks = sorted({path for listing in listings for path in listing.masks.values()})
    image_facts = dict(zip(images, _run(inspect_image, images, 'images', workers, progress)))
    mask_facts = dict(zip(masks, _run(inspect_mask, masks, 'masks', workers, progress)))
    for path, facts in image_facts.items():
        if facts.size is None:
            report.error('image-unreadable', path, facts.problem)
        elif min(facts.size) < MIN_SIDE:
            report.warning('image-small', path, f'has the size {facts.size}, below {MIN_SIDE} px')
        if facts.loss:
            report.warning('image-levels', path, facts.loss)
    for listing in listings:
        for sample_id, mask in listing.masks.items():
            image = image_facts[listing.images[sample_id]]
            _check_mask(listing, sample_id, mask, mask_facts[mask], image, report)
        readable = [f for f in map(mask_facts.get, listing.masks.values()) if f and not f.problem]
        ids = {i for facts in readable for i in facts.ids}
        folder = listing.dataset.data_prefix.get('seg_map_path', '')
        for fault in no_foreground(ids, len(readable), folder):
            report.add_fault(fault)
    _check_copies(listings, image_facts, report)


def inspect_image(path: str) -> ImageFacts:
    """Decodes an image as training does."""
    try:
        with open(path, 'rb') as file:
            data = file.read()
        pixels = decode_image(data, path)
    except (OSError, ValueError) as error:
        return ImageFacts(None, b'', str(error).replace(f'cannot read image {path}: ', ''))
    digest = hashlib.blake2b(data, digest_size=16).digest()
    return ImageFacts(pixels.shape[:2], digest, '', _loss(data), fingerprint(pixels))


def fingerprint(pixels: np.ndarray) -> np.ndarray | None:
    """Describes what an image looks like, whatever its size and compression.

    The bits say where the brightness of a coarse grid falls from one cell to the next (difference
    hash).

    Args:
        pixels: RGB, uint8 (H, W, 3).

    Returns:
        Packed bits, uint8 (GRID,); None for a plain surface.
    """
    steps = [max(1, side // (16 * GRID)) for side in pixels.shape[:2]]
    thinned = np.ascontiguousarray(pixels[:: steps[0], :: steps[1]])
    gray = Image.fromarray(thinned).convert('L').resize((GRID + 1, GRID), Image.Resampling.BOX)
    cells = np.asarray(gray, np.int16)  # (GRID, GRID + 1)
    if cells.std() < LEAST_CONTRAST:
        return None
    return np.packbits(cells[:, 1:] < cells[:, :-1])


def _loss(data: bytes) -> str:
    """What is left out of an image file of more than 8 bits."""
    with Image.open(io.BytesIO(data)) as image:
        if not image.mode.startswith('I'):
            return ''
        levels = (image.getextrema()[1] >> 8) + 1
    if levels >= FEW_LEVELS:
        return ''
    return (
        f'its values use {levels} of the 256 gray levels that a 16-bit file becomes; scale them to '
        '0..65535, or save 8 bits'
    )


def inspect_mask(path: str) -> MaskFacts:
    """Reads the size, the ids and the colours of a mask."""
    try:
        labels = read_mask(path)
        with Image.open(path) as image:
            colours = image.getpalette('RGB') if image.mode == 'P' else None
    except (OSError, ValueError) as error:
        return MaskFacts(None, (), None, str(error).replace(f'{path}: ', ''))
    ids = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist()
    palette = None if colours is None else [colours[3 * i : 3 * i + 3] for i in ids]
    return MaskFacts(labels.shape, tuple(ids), palette, '')


def _check_mask(
    listing: Listing,
    sample_id: str,
    path: str,
    facts: MaskFacts,
    image: ImageFacts,
    report: Report,
) -> None:
    if facts.problem:
        report.error('mask-unreadable', path, facts.problem)
        return
    if image.size is not None and facts.size != image.size:
        turned = ' (the image is rotated by its EXIF tag)' if facts.size == image.size[::-1] else ''
        report.error('mask-size', path, f'is {facts.size}, its image is {image.size}{turned}')
    labels = None if listing.labels is None else listing.labels.get(sample_id, [])
    problem = listing.dataset.mask_fault(list(facts.ids), labels)
    if problem is not None:
        report.error(problem[0], path, problem[1])
        return
    foreground = [i for i in facts.ids if 0 < i < len(listing.meta['classes'])]
    if labels is not None:
        names = [listing.meta['classes'][i] for i in foreground if i - 1 not in labels]
        if names:
            report.warning('mask-label', path, f'shows {names}, which the image label lacks')
    _check_palette(listing.meta['palette'], path, facts, report)


def _check_palette(
    expected: Sequence[Sequence[int]], path: str, facts: MaskFacts, report: Report
) -> None:
    for class_id, colour in zip(facts.ids, facts.palette or ()):
        if class_id < len(expected) and list(expected[class_id]) != colour:
            report.warning(
                'mask-palette',
                path,
                f'draws id {class_id} as {colour}, the data set as {list(expected[class_id])}: '
                'are the ids those of the class list?',
            )
            return


def _check_copies(
    listings: Sequence[Listing], facts: dict[str, ImageFacts], report: Report
) -> None:
    """Reports files of equal content; an error if one is trained on and the other scored."""
    first: dict[bytes, str] = {}
    trained, scored = set(), set()
    for listing in listings:
        if 'train_dataloader' in listing.name:
            trained |= set(listing.images.values())
        else:
            scored |= {listing.images[i] for i in listing.masks}
    held_out = scored - trained
    for path, fact in facts.items():
        other = first.setdefault(fact.digest, path)
        if other == path or fact.problem:
            continue
        leaks = any(a in trained and b in held_out for a, b in ((path, other), (other, path)))
        add = report.error if leaks else report.warning
        add('image-copy', path, f'has the content of {osp.relpath(other, osp.dirname(path))}')
    _check_similar(sorted(trained), sorted(held_out), facts, report)


def _check_similar(
    trained: Sequence[str], held_out: Sequence[str], facts: dict[str, ImageFacts], report: Report
) -> None:
    """Reports held-out images that look like one that is trained on, but are not its copy."""
    seen = {path: look for path in trained if (look := facts[path].look) is not None}
    if not seen:
        return
    known, looks = list(seen), np.stack(list(seen.values()))  # (M, GRID)
    for path in held_out:
        fact = facts[path]
        if fact.look is None:
            continue
        bits = np.unpackbits(looks ^ fact.look, axis=1).sum(axis=1)  # (M,)
        nearest = int(bits.argmin())
        other = known[nearest]
        if bits[nearest] <= SIMILAR_BITS and facts[other].digest != fact.digest:
            message = f'looks like {osp.relpath(other, osp.dirname(path))}, which is trained on'
            report.warning('image-similar', path, message)


def _run(
    work: Callable[[str], Facts], paths: Sequence[str], unit: str, workers: int, progress: bool
) -> list[Facts]:
    with ThreadPoolExecutor(max(1, workers)) as pool:
        done = pool.map(work, paths)
        return list(progress_bar(done, len(paths), unit) if progress else done)
