from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from weaktr_mmseg.report.charts import Mark, Series, line_chart, matrix_chart


def parse(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(f'<div>{html}</div>')


def test_line_chart_has_every_defined_point_marks_and_escaped_names():
    series = [Series('a<b', [0, 1, 2], [1.0, None, 3.0]), Series('none', [0], [float('nan')])]
    chart = parse(line_chart(series, 'step', 'loss', [Mark(1.0, 'chosen & best')]))
    lines = [line.get('points').split() for line in chart.iter('polyline')]
    assert [len(points) for points in lines] == [2, 0]
    (x0, y0), (x2, y2) = (tuple(map(float, point.split(','))) for point in lines[0])
    assert x0 < x2 and y0 > y2  # SVG counts downwards
    mark = next(line for line in chart.iter('line') if line.get('class') == 'mark')
    assert float(mark.get('x1')) == pytest.approx((x0 + x2) / 2)
    assert 'chosen & best' in ''.join(chart.itertext())
    assert [span.text or span[0].tail for span in chart.iter('span')] == ['a<b']


def test_a_single_point_and_no_point():
    assert 'circle' in line_chart([Series('a', [14], [96.8])], 'epoch', '%')
    assert line_chart([Series('a', [], [])], 'epoch', '%') == ''


@pytest.mark.parametrize('size', [3, 81])
def test_matrix_chart_draws_each_defined_cell(size):
    values = np.eye(size)
    values[0, 1] = np.nan
    names = [f'class {index}' for index in range(size)]
    chart = parse(matrix_chart(values, names, names, 'truth', 'prediction'))
    cells = [cell for cell in chart.iter('td') if cell.get('title')]
    assert len(cells) == size**2 - 1
    strong = [cell for cell in cells if cell.get('style') == '--share:100.0%']
    assert [cell.get('title') for cell in strong] == [f'{name}, {name}: 1' for name in names]
    assert {cell.get('class') for cell in strong} == {'on'}
    assert {cell.text for cell in strong} == ({'1.00'} if size == 3 else {None})
    captions = [''.join(caption.itertext()) for caption in chart.iter('th')]
    assert captions == [*names, *names]
