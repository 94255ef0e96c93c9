"""What a folder of custom images holds: its classes, its labels, its splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ...utils.errors import input_errors
from ...utils.files import read_text
from ..file_index import index_folder
from ..names import clean_label
from .manifest_labels import read_manifest
from .rows import check_class_number

BACKGROUND = 'background'
LABEL_FILES = ('labels.csv', 'labels.json')
CLASS_FILE = 'classes.txt'
IMAGE_FOLDER, MASK_FOLDER = 'images', 'masks'
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
        others = sorted(file.name for file in Path(root).glob('[Ll]abels*'))
        near = [*sorted(Path(root).glob('*')), Path(root).absolute().parent]
        place = next((p for p in near for name in LABEL_FILES if (p / name).is_file()), None)
        but = f", but '{place}' has; take that as the data folder" if place else ''
        but = f", but '{others[0]}'; save it as CSV UTF-8 under that name" if others else but
        raise FileNotFoundError(f'{root} has no {" or ".join(LABEL_FILES)}{but}')
    if len(found) > 1:
        raise ValueError(f'{root} has both {" and ".join(found)}; keep one')
    return found[0]


def discover_classes(root: str) -> list[str]:
    """Finds the classes of a data folder.

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
        lines = read_text(file).splitlines()
        names = [label for label in map(clean_label, lines) if label]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'{file}: class names occur more than once: {twice}')
        names = names[1:] if names[:1] == [BACKGROUND] else names
    else:
        file = manifest
        names = sorted({name for row in read_manifest(str(manifest)) for name in row.names})
    if not names:
        raise ValueError(f'{file}: no class found')
    with input_errors(str(file)):
        check_class_number(len(names))
    if BACKGROUND in names:
        raise ValueError(
            f"{file}: '{BACKGROUND}' is what no label names; remove it from the labels"
            if file == manifest
            else f"{file}: '{BACKGROUND}' must be the first line or be left out"
        )
    return [BACKGROUND, *names]


def has_masks(root: str) -> bool:
    """Tells whether a data folder has a mask of one of its images to score with."""
    folders = [Path(root) / name for name in (MASK_FOLDER, IMAGE_FOLDER)]
    if not all(folder.is_dir() for folder in folders):
        return False
    masks, images = index_folder(str(folders[0]), '.png'), index_folder(str(folders[1]))
    return any(sample in images for sample in masks)


def hold_out(
    samples: Sequence[str],
    masked: Collection[str],
    labels: Mapping[str, Iterable[str]] | None = None,
) -> tuple[list[str], list[str]]:
    """Splits a folder that has no split files.

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
