"""The notebook runs from its first to its last cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from looping import some

NOTEBOOK = Path(__file__).parents[1] / 'docs/demo.ipynb'
nbformat = pytest.importorskip('nbformat')
nbclient = pytest.importorskip('nbclient')


def test_has_no_stored_output():
    for cell in some(nbformat.read(NOTEBOOK, as_version=4).cells):
        assert not cell.get('outputs') and cell.get('execution_count') is None


def test_runs():
    pytest.importorskip('ipykernel')
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name='python3').execute()
    outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == 'code'}
    scores = [text for text in _texts(outputs['cell-5']) if 'val_miou' in text]
    assert scores, outputs['cell-5']
    for cell in ('cell-7', 'cell-9'):
        assert any('image/png' in output.get('data', {}) for output in outputs[cell]), cell


def _texts(outputs):
    return [output.get('data', {}).get('text/plain', '') for output in outputs]
