"""From corrected annotations to masks."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...datasets.names import clean_path, leaves_folder
from ...utils.errors import WeakTrInputError, input_errors
from ...utils.masks import write_mask
from ...utils.palette import voc_palette
from ...utils.progress import progress_bar
from .read_coco import read_coco
from .read_cvat import read_cvat
from .source import upright_size

Reader = Callable[[bytes, str, Sequence[str]], Iterator[tuple[str, np.ndarray]]]
READERS: Mapping[str, Reader] = {'.json': read_coco, '.xml': read_cvat}


class Imported(NamedTuple):
    """What was written.

    Attributes:
        masks: Photographs whose masks were written, as the annotations name them.
        without_shapes: Those left out because nothing is annotated in them.
    """

    masks: list[str]
    without_shapes: list[str]


def read_annotations(file: str | Path, classes: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Reads the masks in an annotation file.

    Pixels in no shape are background. A shape labelled ``ignore``, unless that is a class, gives
    255, one labelled ``background`` takes away what lies beneath it.

    Args:
        file: COCO instances (``.json``), CVAT for images 1.1 (``.xml``), or the archive (``.zip``)
            that CVAT exports with one of them.
        classes: Names, background first; labels of the file are matched by name.

    Yields:
        Name of each photograph, as the file has it, with ``/`` between folders; its labels, uint8
        (H, W).

    Raises:
        WeakTrInputError: If the file is none of these, or has an unknown label.

    Examples:
        >>> cat = '<polygon label="cat" points="0,0;2,0;2,1;0,1"/>'
        >>> image = f'<image name="a/1.jpg" width="4" height="2">{cat}</image>'
        >>> xml = f'<annotations>{image}</annotations>'
        >>> _ = Path('annotations.xml').write_text(xml, encoding='utf-8')
        >>> for name, mask in read_annotations('annotations.xml', ['background', 'cat', 'dog']):
        ...     print(name, mask.tolist())
        a/1.jpg [[1, 1, 0, 0], [0, 0, 0, 0]]
    """
    path = Path(file)
    with input_errors(str(path)):
        name, content = _content(path)
    reader = READERS.get(Path(name).suffix.lower())
    if reader is None:
        raise WeakTrInputError(
            f'{path}: expected COCO instances (.json), CVAT for images (.xml) or an archive (.zip) '
            'with one of them'
        )
    for image, mask in reader(content, str(path), classes):
        yield clean_path(image), mask


def _content(path: Path) -> tuple[str, bytes]:
    """Name and content of the file, or of the only one of its kind in an archive."""
    if path.suffix.lower() != '.zip':
        return path.name, path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if Path(n).suffix.lower() in READERS]
            if len(names) != 1:
                raise WeakTrInputError(
                    f'{path}: expected one .json or .xml in it, found {len(names)}'
                )
            return names[0], archive.read(names[0])
    except zipfile.BadZipFile as error:
        raise WeakTrInputError(f'{path}: {error}') from error


def import_masks(
    annotations: str | Path,
    out: str | Path,
    classes: Sequence[str],
    images: str | Path | None = None,
    keep_empty: bool = False,
) -> Imported:
    """Writes the masks in an annotation file as palette PNGs, ``a/b.png`` for ``a/b.jpg``.

    Args:
        annotations: See :func:`read_annotations`.
        out: Folder for the masks.
        classes: Names, background first.
        images: Folder of the photographs, to make sure that names and sizes are theirs.
        keep_empty: Writes the masks, all background, of photographs without shapes, too. A tool
            lists photographs that nobody has looked at in the same way.

    Raises:
        WeakTrInputError: If the file cannot be read, a name leads out of the folder, two
            photographs would have one mask, or a photograph is missing or has another size.
    """
    folder = Path(out)
    owners: dict[Path, str] = {}
    done = Imported([], [])
    for name, mask in progress_bar(read_annotations(annotations, classes), desc='Importing'):
        if leaves_folder(name):
            raise WeakTrInputError(f"{annotations}: the name '{name}' leads out of the folder")
        target = folder / Path(name).with_suffix('.png')
        if target in owners:
            raise WeakTrInputError(
                f"{annotations}: '{owners[target]}' and '{name}' would have one mask, {target}"
            )
        owners[target] = name
        if images is not None:
            _check_size(Path(images) / name, mask)
        if not (keep_empty or mask.any()):
            done.without_shapes.append(name)
            continue
        write_mask(target, mask, voc_palette(len(classes)))
        done.masks.append(name)
    return done


def _check_size(file: Path, mask: np.ndarray) -> None:
    if not file.is_file():
        raise WeakTrInputError(f'{file}: no such photograph, but it is annotated')
    height, width = upright_size(file)
    if mask.shape != (height, width):
        raise WeakTrInputError(
            f'{file}: its annotations are for {mask.shape[1]} x {mask.shape[0]} pixels, it has '
            f'{width} x {height}'
        )
