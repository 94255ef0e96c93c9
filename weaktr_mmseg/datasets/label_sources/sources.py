"""Image-level labels from the files that people have.

Every source is a function ``source(path, classes, sample_ids)`` that returns the labels it knows as
rows, :class:`LabelRow`. :data:`LABEL_SOURCES` maps the ``type`` of a dataset config to its
function; add an entry to support another format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from ...utils.xml import parse_xml
from ..faults import Fault, raise_first
from ..listing_cache import remember
from ..names import clean_path, leaves_folder
from .coco_labels import coco_json
from .legacy_labels import cls_labels
from .manifest_labels import manifest
from .rows import ForegroundClasses, ImageLabels, LabelRow, merge


def voc_xml(
    path: str, classes: ForegroundClasses, sample_ids: Sequence[str] | None = None
) -> Iterator[LabelRow]:
    """Reads a folder of Pascal VOC annotations, ``Annotations/<sample id>.xml``.

    Every ``<object>`` counts, those marked difficult or truncated too: an image-level label says
    that the class is visible.

    Args:
        path: Folder of the XML files.
        classes: Not used, rows have names.
        sample_ids: Images to read. None reads every XML file of the folder and its sub-folders.

    Yields:
        A row for every image; a file that is missing, not well-formed or declares a document type
        makes a fault of it.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f'folder of VOC annotations not found: {folder}')
    if sample_ids is None:
        files = sorted(folder.rglob('*.xml'))
        sample_ids = [file.relative_to(folder).with_suffix('').as_posix() for file in files]
    for sample_id in sample_ids:
        file = folder / f'{sample_id}.xml'
        yield _voc_row(folder, file, sample_id)


def _voc_row(folder: Path, file: Path, sample_id: str) -> LabelRow:
    image, missing = clean_path(sample_id), False
    if leaves_folder(sample_id):
        problem = f'{folder}: the name {sample_id!r} leads out of the folder'
    else:
        try:
            return LabelRow(image, voc_object_names(file.read_bytes()), str(file))
        except FileNotFoundError:
            problem, missing = f'VOC annotation not found: {file}', True
        except (OSError, ValueError, LookupError, ElementTree.ParseError) as error:
            problem = f'{file}: {error}'
    fault = Fault('label-file', str(file), problem, sample=image, missing=missing)
    return LabelRow(image, (), str(file), fault)


def voc_object_names(xml: bytes) -> list[str]:
    """Returns the names of all objects in one VOC annotation; body parts are no objects.

    Raises:
        ValueError: If the file has a document type declaration; no VOC annotation has one.
        xml.etree.ElementTree.ParseError: If the file is not well-formed XML.
    """
    return [name.text or '' for name in parse_xml(xml).iterfind('object/name')]


LABEL_SOURCES: Mapping[str, Callable[..., Sequence[LabelRow] | Iterator[LabelRow]]] = {
    'voc_xml': voc_xml,
    'coco_json': coco_json,
    'manifest': manifest,
    'cls_labels': cls_labels,
}


def scan_labels(
    source: Mapping,
    classes: Sequence[str] | ForegroundClasses,
    sample_ids: Sequence[str] | None = None,
    data_root: str | None = None,
) -> list[ImageLabels]:
    """Reads the labels that the ``labels`` entry of a dataset config describes, faults included.

    Args:
        source: ``dict(type=..., path=...)`` and further options of that source; ``type`` is a key
            of :data:`LABEL_SOURCES`.
        classes: Class names, background first.
        sample_ids: The requested images; a source may read others too. None reads all it has.
        data_root: Folder that a relative ``path`` starts from.

    Returns:
        The labels of every image, in the order of the source.

    Raises:
        ValueError: If the description is not valid or the source as a whole cannot be read.
        FileNotFoundError: If the source is missing.
    """
    path = resolve_source(source, data_root)
    if not isinstance(classes, ForegroundClasses):
        classes = ForegroundClasses(classes)
    options = {key: value for key, value in source.items() if key not in ('type', 'path')}
    asked = None if sample_ids is None or source['type'] != 'voc_xml' else tuple(sample_ids)
    return remember(
        ('labels', source['type'], path, repr(options), classes.names, asked),
        lambda: [
            classes.resolve(row)
            for row in LABEL_SOURCES[source['type']](path, classes, sample_ids, **options)
        ],
    )


def read_image_labels(
    source: Mapping,
    classes: Sequence[str] | ForegroundClasses,
    sample_ids: Sequence[str] | None = None,
    data_root: str | None = None,
) -> dict[str, list[int]]:
    """Reads labels as :func:`scan_labels` does; the first fault is raised.

    Returns:
        Image name, as the source writes it -> sorted foreground ids (0 is the first class after
        the background). :meth:`weaktr_mmseg.datasets.file_index.FolderIndex.find` matches names.

    Raises:
        ValueError: If the description or a label is not valid.
        FileNotFoundError: If a file is missing.
    """
    rows = scan_labels(source, classes, sample_ids, data_root)
    labels, faults = merge((row.image, row) for row in rows)
    raise_first(faults)
    return labels


def resolve_source(source: Mapping, data_root: str | None) -> str:
    """Returns the path of the file or folder that a ``labels`` entry names.

    Raises:
        ValueError: If the entry has no path or no known type.
    """
    if source.get('type') not in LABEL_SOURCES or source.get('path') is None:
        raise ValueError(
            'labels must be dict(type=..., path=...) with type one of '
            f'{sorted(LABEL_SOURCES)}, got {dict(source)}'
        )
    return str(Path(data_root or '') / source['path'])
