from __future__ import annotations

import pytest

from weaktr_mmseg.datasets.label_sources.rows import ForegroundClasses
from weaktr_mmseg.datasets.label_sources.sources import read_image_labels, voc_object_names

CLASSES = ['background', 'cat', 'dog']


def test_voc_xml_reads_objects_not_parts(tmp_path, write_voc_xml):
    write_voc_xml(tmp_path / 'a.xml', ['dog', 'cat', 'dog'])
    write_voc_xml(tmp_path / 'b.xml', [' dog\n'])
    labels = read_image_labels(dict(type='voc_xml', path='.'), CLASSES, data_root=str(tmp_path))
    assert labels == {'a': [0, 1], 'b': [1]}


def test_voc_xml_reads_only_the_asked(tmp_path, write_voc_xml):
    write_voc_xml(tmp_path / 'a.xml', ['dog'])
    write_voc_xml(tmp_path / 'b.xml', ['unknown'])
    source = dict(type='voc_xml', path=str(tmp_path))
    assert read_image_labels(source, CLASSES, ['a']) == {'a': [1]}
    with pytest.raises(FileNotFoundError, match=r'VOC annotation not found: .*c\.xml'):
        read_image_labels(source, CLASSES, ['c'])


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16'])
@pytest.mark.parametrize(
    'prologue',
    [
        '<!DOCTYPE annotation>',
        '<!DOCTYPE a [<!ENTITY x "cat">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_voc_xml_refuses_document_types(prologue, encoding):
    xml = f'{prologue}<annotation><object><name>cat</name></object></annotation>'
    with pytest.raises(ValueError, match='document type declaration'):
        voc_object_names(xml.encode(encoding))


@pytest.mark.parametrize('text', ['', '<annotation><object>', 'cat'])
def test_voc_xml_malformed(tmp_path, text):
    (tmp_path / 'a.xml').write_text(text, encoding='utf-8')
    with pytest.raises(ValueError, match=r'a\.xml: '):
        read_image_labels(dict(type='voc_xml', path=str(tmp_path)), CLASSES)


def test_voc_folder_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match='folder of VOC annotations not found: .*none'):
        read_image_labels(dict(type='voc_xml', path='none'), CLASSES, data_root=str(tmp_path))


@pytest.mark.parametrize('source', [dict(path='x'), dict(type='voc_xml'), dict(type='?', path='x')])
def test_bad_source(source):
    with pytest.raises(ValueError, match=r'type one of \[.*voc_xml'):
        read_image_labels(source, CLASSES)


def test_class_list():
    assert ForegroundClasses(CLASSES).ids(['dog', 'cat', 'dog'], 'x') == [0, 1]
    with pytest.raises(ValueError, match="x: label 'background' is the first of the classes"):
        ForegroundClasses(CLASSES).ids(['background'], 'x')
    with pytest.raises(ValueError, match=r"occur more than once: \['cat'\]"):
        ForegroundClasses(['background', 'cat', 'cat'])
    with pytest.raises(ValueError, match='background first and at least one class'):
        ForegroundClasses(['background'])
