"""What a folder of somebody's own images holds: its classes, its labels, its splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ..file_index import normalise_name
from .manifest_labels import read_manifest

BACKGROUND = 'background'
LABEL_FILES = ('labels.csv', 'labels.json')
CLASS_FILE = 'classes.txt'
MASK_FOLDER = 'masks'
VAL_SHARE = 10  # one image in ten is held out when there are no split files


def find_manifest(root: str) -> str:
    """Name of the label manifest in a data folder.

    Raises:
        FileNotFoundError: If the folder or a manifest in it is missing.
        ValueError: If it has two.
    """
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f'data folder not found: {root}; set the environment variable WEAKTR_DATA or data_root '
            'in configs/_base_/datasets/custom_root.py'
        )
    found = [name for name in LABEL_FILES if (Path(root) / name).is_file()]
    if not found:
        raise FileNotFoundError(f'{root} has no {" or ".join(LABEL_FILES)}')
    if len(found) > 1:
        raise ValueError(f'{root} has both {" and ".join(found)}; keep one')
    return found[0]


def discover_classes(root: str) -> list[str]:
    """Find the classes of a data folder.

    ``classes.txt``, one name a line, fixes them and their order; without it they are the label
    names of the manifest in alphabetical order.

    Args:
        root: Folder with ``labels.csv`` or ``labels.json`` and perhaps ``classes.txt``.

    Returns:
        ``['background', ...]``: ``len(classes)`` mask ids, ``len(classes) - 1`` foreground classes.

    Raises:
        FileNotFoundError: If there is no manifest.
        ValueError: If no class is found, or a name occurs twice in ``classes.txt``.
    """
    manifest = Path(root) / find_manifest(root)
    file = Path(root) / CLASS_FILE
    if file.is_file():
        lines = file.read_text(encoding='utf-8-sig').splitlines()
        names = [line.strip() for line in lines if line.strip()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'{file}: class names occur more than once: {twice}')
        names = names[1:] if names[:1] == [BACKGROUND] else names
    else:
        file = manifest
        names = sorted({name for _, labels, _ in read_manifest(str(manifest)) for name in labels})
    if not names:
        raise ValueError(f'{file}: no class found')
    if BACKGROUND in names:
        raise ValueError(
            f"{file}: '{BACKGROUND}' is what no label names; remove it from the labels"
            if file == manifest
            else f"{file}: '{BACKGROUND}' must be the first line or be left out"
        )
    return [BACKGROUND, *names]


def has_masks(root: str) -> bool:
    """Tell whether a data folder has masks to score with."""
    return any((Path(root) / MASK_FOLDER).rglob('*.png'))


def manifest_labels(root: str) -> dict[str, list[str]]:
    """Label names of every image of the manifest.

    Returns:
        Image name, as :func:`normalise_name` writes it -> label names.
    """
    rows = read_manifest(str(Path(root) / find_manifest(root)))
    return {normalise_name(name): names for name, names, _ in rows}


def hold_out(
    samples: Sequence[str],
    masked: Collection[str],
    labels: Mapping[str | None, Iterable[str]] | None = None,
) -> tuple[list[str], list[str]]:
    """Split a folder that has no split files.

    Validation needs masks, so it takes masked images, evenly spaced, at most a tenth of all
    images, and never the last image of a class: training must see every class. Without any mask
    there is nothing to score: training takes everything, and so does validation, which then only
    writes predictions.

    Args:
        samples: All samples, in a fixed order.
        masked: Those that have a mask.
        labels: Sample -> its label names.

    Returns:
        Training and validation samples.

    Raises:
        ValueError: If every masked image is the only one of a class.
    """
    candidates = [sample for sample in samples if sample in masked]
    if not candidates:
        return list(samples), list(samples)
    classes = {sample: set((labels or {}).get(sample, ())) for sample in samples}
    left = Counter(name for names in classes.values() for name in names)
    step = max(1, round(VAL_SHARE * len(candidates) / len(samples)))
    val: list[str] = []
    for start in range(0, len(candidates), step):
        for sample in candidates[start : start + step]:
            if all(left[name] > 1 for name in classes[sample]):
                left.subtract(classes[sample])
                val.append(sample)
                break
    if not val:
        raise ValueError(
            'no image can be held out for validation: each one with a mask is the only image of '
            'a class; write splits/train.txt and splits/val.txt'
        )
    held_out = set(val)
    return [sample for sample in samples if sample not in held_out], sorted(val)
