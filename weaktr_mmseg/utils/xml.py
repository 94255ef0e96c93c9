"""XML files of other people."""

from __future__ import annotations

from xml.etree import ElementTree


class _NoDoctype(ElementTree.TreeBuilder):
    def doctype(self, *_declaration: object) -> None:
        raise ValueError('XML with a document type declaration (DOCTYPE, ENTITY) is refused')


def parse_xml(content: bytes) -> ElementTree.Element:
    """Parses XML without a document type, the door to entity expansion and to other files.

    Args:
        content: Of the file.

    Returns:
        The root element.

    Raises:
        ValueError: If it declares a document type; before any entity is read.
        xml.etree.ElementTree.ParseError: If it is not well-formed.
    """
    return ElementTree.fromstring(content, ElementTree.XMLParser(target=_NoDoctype()))
