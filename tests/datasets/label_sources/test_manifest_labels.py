from __future__ import annotations

import json

import pytest

from weaktr_mmseg.datasets.label_sources.sources import read_image_labels

CLASSES = ['background', 'cat', 'dog', 'polar bear']


def read(tmp_path, text, name='labels.csv', **write):
    (tmp_path / name).write_text(text, **{'encoding': 'utf-8', **write})
    return read_image_labels(dict(type='manifest', path=name), CLASSES, None, str(tmp_path))


def test_csv(tmp_path):
    text = 'image,labels\na.jpg,dog;cat\n"b, c.jpg", polar bear ; cat;\n.\\sub\\d.png,\n'
    assert read(tmp_path, text) == {'a.jpg': [0, 1], 'b, c.jpg': [0, 2], 'sub/d.png': []}


def test_csv_as_spreadsheets_write_it(tmp_path):
    text = ' Number ,image, labels\r\n1,a.jpg,cat\r\n'
    assert read(tmp_path, text, encoding='utf-8-sig') == {'a.jpg': [0]}


def test_accents_match_whatever_the_system(tmp_path):
    assert read(tmp_path, 'image,labels\nbla\u0308tter.jpg,cat\n') == {'bl\u00e4tter.jpg': [0]}


@pytest.mark.parametrize(
    'content',
    [
        {'a.jpg': ['cat'], 'b': ['dog', 'cat']},
        [dict(image='a.jpg', labels=['cat']), dict(image='b', labels=['dog', 'cat'], note=1)],
    ],
)
def test_json(tmp_path, content):
    assert read(tmp_path, json.dumps(content), 'labels.json') == {'a.jpg': [0], 'b': [0, 1]}


@pytest.mark.parametrize('text', ['', 'image;labels\na.jpg;cat\n', 'a.jpg,cat\n'])
def test_csv_header(tmp_path, text):
    with pytest.raises(ValueError, match=r'labels\.csv: the first line must name .*image,labels'):
        read(tmp_path, text)


@pytest.mark.parametrize(
    'columns', ['image,labels,labels2', 'Label 1,image,labels', 'image,labels,labels']
)
def test_labels_in_further_columns_are_not_dropped(tmp_path, columns):
    with pytest.raises(ValueError, match=r"labels\.csv: column '.*separated by semicolons"):
        read(tmp_path, f'{columns}\ncat,dog,cat\n')


def test_a_workbook_is_not_printed(tmp_path):
    with pytest.raises(ValueError, match='no text; save the table as "CSV UTF-8"'):
        read(tmp_path, 'PK\x03\x04' + 99 * '\0')
    with pytest.raises(ValueError) as fault:
        read(tmp_path, 'x' * 10_000)
    assert len(str(fault.value)) < 300


@pytest.mark.parametrize('cell', ['"cat', '"cat\ndog"', '"cat\rdog"'])
def test_a_quotation_mark_left_open_takes_no_rows(tmp_path, cell):
    rows = f'image,labels\na.jpg,{cell}\nb.jpg,dog\nc.jpg,cat\n'
    with pytest.raises(ValueError, match=r'labels\.csv, line \d: a cell goes over several lines'):
        read(tmp_path, rows)


def test_a_cell_without_end_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r'labels\.csv: field larger .*a quotation mark left open'):
        read(tmp_path, 'image,labels\na.jpg,"cat\n' + 50_000 * 'b.jpg,dog\n')


@pytest.mark.parametrize('row', ['a.jpg', 'a.jpg,cat,dog', ',cat'])
def test_csv_row(tmp_path, row):
    with pytest.raises(ValueError, match=r'labels\.csv, line 3: expected one cell a column'):
        read(tmp_path, f'image,labels\nx.jpg,cat\n{row}\n')


def test_errors_name_the_line(tmp_path):
    with pytest.raises(ValueError, match=r"labels\.csv, line 2: label 'cow' is not in"):
        read(tmp_path, 'image,labels\na.jpg,cow\n')
    with pytest.raises(ValueError, match=r"line 3: image 'a\.jpg' is listed a second time"):
        read(tmp_path, 'image,labels\na.jpg,cat\n./a.jpg,dog\n')


@pytest.mark.parametrize('text', ['{', '[1]', '[{"image": "a"}]', '3'])
def test_json_form(tmp_path, text):
    with pytest.raises(ValueError, match=r'labels\.json: expected \{"image"'):
        read(tmp_path, text, 'labels.json')


@pytest.mark.parametrize('text', ['{"a": "cat"}', '{"a": [1]}', '[{"image": 1, "labels": []}]'])
def test_json_entry(tmp_path, text):
    with pytest.raises(ValueError, match=r'labels\.json, entry 0: expected an image name'):
        read(tmp_path, text, 'labels.json')


def test_file(tmp_path):
    with pytest.raises(ValueError, match=r'labels\.txt: a label manifest ends in'):
        read(tmp_path, '', 'labels.txt')
    with pytest.raises(ValueError, match='must be UTF-8'):
        read(tmp_path, 'image,labels\n\u00e4.jpg,cat\n', encoding='latin-1')
    with pytest.raises(FileNotFoundError, match=r'label manifest not found: .*none\.csv'):
        read_image_labels(dict(type='manifest', path='none.csv'), CLASSES, None, str(tmp_path))
