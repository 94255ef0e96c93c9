"""Image-level labels from the files that people have.

Every source is a function ``source(path, classes, sample_ids)`` that returns the labels it knows as
``{image name: foreground class ids}``, the name with or without suffix. :data:`LABEL_SOURCES` maps
the ``type`` of a dataset config to its function; add an entry to support another format.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from xml.parsers import expat

from ..file_index import leaves_folder
from .coco_labels import coco_json
from .legacy_labels import cls_labels
from .manifest_labels import manifest


class ForegroundClasses:
    """The foreground classes of a data set and their ids ``0..C-1``.

    Args:
        classes: Class names with the background first, as in a dataset's ``metainfo``.

    Raises:
        ValueError: If there is no foreground class, or a name occurs twice.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        if len(classes) < 2:
            raise ValueError(
                'classes need the background first and at least one class after it, '
                f'got {list(classes)}'
            )
        if len(set(classes)) != len(classes):
            twice = sorted({name for name in classes if list(classes).count(name) > 1})
            raise ValueError(f'class names occur more than once: {twice}')
        self.background = classes[0]
        self.names = tuple(classes[1:])
        self._ids = {name: index for index, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def ids(self, names: Iterable[str], source: str) -> list[int]:
        """Foreground ids of label names, sorted, each once.

        Args:
            names: Label names of one image.
            source: Where they were read, for the error message.

        Raises:
            ValueError: If a name is not one of the classes.
        """
        try:
            return sorted({self._ids[name] for name in names})
        except KeyError as error:
            raise ValueError(self._unknown(error.args[0], source)) from None

    def _unknown(self, name: str, source: str) -> str:
        if name == self.background:
            return (
                f"{source}: label '{name}' is the first of the classes, which is taken as "
                'background; put a background class before it'
            )
        close = difflib.get_close_matches(name, self.names, n=1)
        hint = f" (did you mean '{close[0]}'?)" if close else ''
        return (
            f"{source}: label '{name}' is not in the class list{hint}; "
            f'known classes: {", ".join(self.names)}'
        )


def voc_xml(
    path: str, classes: ForegroundClasses, sample_ids: Sequence[str] | None = None
) -> dict[str, list[int]]:
    """Read a folder of Pascal VOC annotations, ``Annotations/<sample id>.xml``.

    Every ``<object>`` counts, those marked difficult or truncated too: an image-level label says
    that the class is visible.

    Args:
        path: Folder of the XML files.
        classes: The known classes.
        sample_ids: Images to read. None reads every XML file of the folder.

    Raises:
        FileNotFoundError: If the folder or the file of an image does not exist.
        ValueError: If a file is not well-formed, declares a document type, or has an unknown label.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f'folder of VOC annotations not found: {folder}')
    if sample_ids is None:
        sample_ids = sorted(file.stem for file in folder.glob('*.xml'))
    labels = {}
    for sample_id in sample_ids:
        file = folder / f'{sample_id}.xml'
        if leaves_folder(sample_id):
            raise ValueError(f'{folder}: the name {sample_id!r} leads out of the folder')
        try:
            names = voc_object_names(file.read_bytes())
        except FileNotFoundError:
            raise FileNotFoundError(f'VOC annotation not found: {file}') from None
        except (ValueError, LookupError, expat.ExpatError) as error:
            raise ValueError(f'{file}: {error}') from None
        labels[sample_id] = classes.ids(names, str(file))
    return labels


def voc_object_names(xml: bytes) -> list[str]:
    """Names of all objects in one VOC annotation; names of body parts are no objects.

    Raises:
        ValueError: If the file has a document type declaration. It is the door to entity expansion
            and to other files, and no VOC annotation has one.
        xml.parsers.expat.ExpatError: If the file is not well-formed XML.
    """
    names: list[str] = []
    path: list[str] = []
    text: list[str] = []

    def start(tag: str, _attributes: dict) -> None:
        path.append(tag)
        text.clear()

    def end(_tag: str) -> None:
        if path[1:] == ['object', 'name']:
            names.append(''.join(text).strip())
        path.pop()

    def refuse(*_declaration) -> None:
        raise ValueError('XML with a document type declaration (DOCTYPE, ENTITY) is refused')

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(xml, True)
    return names


LABEL_SOURCES: Mapping[str, Callable[..., dict[str, list[int]]]] = {
    'voc_xml': voc_xml,
    'coco_json': coco_json,
    'manifest': manifest,
    'cls_labels': cls_labels,
}


def read_image_labels(
    source: Mapping,
    classes: Sequence[str] | ForegroundClasses,
    sample_ids: Sequence[str] | None = None,
    data_root: str | None = None,
) -> dict[str, list[int]]:
    """Read the labels that the ``labels`` entry of a dataset config describes.

    Args:
        source: ``dict(type=..., path=...)`` and further options of that source; ``type`` is a key
            of :data:`LABEL_SOURCES`.
        classes: Class names, background first.
        sample_ids: The images asked for; a source may read others too. None reads all it has.
        data_root: Folder that a relative ``path`` starts from.

    Returns:
        Image name, as the source writes it -> sorted foreground ids (0 is the first class after
        the background). :func:`weaktr_mmseg.datasets.file_index.find_sample` matches the names.

    Raises:
        ValueError: If the description or a label is not valid.
        FileNotFoundError: If a file is missing.
    """
    path = resolve_source(source, data_root)
    if not isinstance(classes, ForegroundClasses):
        classes = ForegroundClasses(classes)
    options = {key: value for key, value in source.items() if key not in ('type', 'path')}
    return LABEL_SOURCES[source['type']](path, classes, sample_ids, **options)


def resolve_source(source: Mapping, data_root: str | None) -> str:
    """Path of the file or folder that a ``labels`` entry names.

    Raises:
        ValueError: If the entry has no path or no known type.
    """
    if source.get('type') not in LABEL_SOURCES or source.get('path') is None:
        raise ValueError(
            'labels must be dict(type=..., path=...) with type one of '
            f'{sorted(LABEL_SOURCES)}, got {dict(source)}'
        )
    return str(Path(data_root or '') / source['path'])
