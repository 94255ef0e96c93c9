"""Docstrings: examples run, what users import has one, and first lines are in the third person."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import weaktr_mmseg

# What people import by name.
IMPORTED_BY_USERS = [
    'apis.PhotoSegmentor',
    'apis.annotations.export_masks',
    'apis.annotations.read_annotations',
    'checkpoints.WeakTrPretrained',
    'crf.DenseCRF',
    'models.AdaptiveAttentionFusion',
    'models.WeakTrCAMHead',
    'models.WeakTrGradientClippingLoss',
    'models.WeakTrSeedCompletionLoss',
    'models.WeakTrStaticFusion',
    'models.WeakTrUniformFusion',
    'models.WeakTrViT',
    'pipeline.WeakTrRunner',
    'pseudo_labels.LabelRule',
    'pseudo_labels.ThresholdSweep',
    'pseudo_labels.choose_threshold',
    'pseudo_labels.otsu_threshold',
    'pseudo_labels.read_cams',
    'pseudo_labels.write_cams',
    'refinement.DenseCRFRefiner',
    'refinement.PAMRRefiner',
    'refinement.Refiner',
    'refinement.build_refiner',
    'review.read_review',
]

# Verbs that a first line would begin with in the imperative; nouns such as "Name" are left out.
IMPERATIVES = """
    Add Apply Ask Attend Average Bring Build Cast Check Choose Clip Collect Compare Compute Convert
    Copy Count Create Cut Decode Determine Download Draw Drop Encode Enter Evaluate Export Find
    Fuse Generate Get Give Import Infer Initialise Join Judge Keep Lay Leave Let List Load Log Make
    Measure Merge Move Note Open Pack Paint Parse Pick Predict Prepare Put Raise Read Refine Refuse
    Register Remember Remove Rename Render Replace Report Resize Restore Return Rotate Run Save
    Select Separate Set Show Sort Split Take Tell Train Turn Update Upsample Use Validate Wait Warn
    Write Yield
"""
SECTION = re.compile(r'^(?:Args|Attributes|Raises):\n((?:    .*\n?|\n)+)', re.M)
NAMES = ('bool', 'float', 'mmcv', 'mmengine', 'mmpretrain')  # that may begin an entry
ROOT = Path(__file__).parents[1]


def modules():
    """Every module of the package but the one that runs when it is imported."""
    walk = pkgutil.walk_packages(weaktr_mmseg.__path__, 'weaktr_mmseg.')
    return [importlib.import_module(entry.name) for entry in walk if '__main__' not in entry.name]


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [test for module in modules() for test in finder.find(module) if test.examples]
    return [pytest.param(test, id=test.name.removeprefix('weaktr_mmseg.')) for test in tests]


@pytest.mark.parametrize('example', examples())
def test_example(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # so that examples may write files
    output = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=output.append)
    assert result.attempted and not result.failed, ''.join(output)


@pytest.mark.parametrize('name', IMPORTED_BY_USERS)
def test_what_users_import_has_an_example_that_runs(name):
    room, _, member = name.rpartition('.')
    target = getattr(importlib.import_module(f'weaktr_mmseg.{room}'), member)
    found = doctest.DocTestFinder(recurse=False).find(target, member)
    steps = [step for test in found for step in test.examples]
    assert any(not step.options.get(doctest.SKIP) and step.want for step in steps), name


@pytest.mark.parametrize('folder', ['weaktr_mmseg', 'tools'])
def test_first_lines_are_in_the_third_person(folder):
    found, files = [], sorted((ROOT / folder).rglob('*.py'))
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                first = (ast.get_docstring(node) or '-').split()[0].strip('.,:;')
                if first in IMPERATIVES.split():
                    found.append(f'{file.relative_to(ROOT)}: {node.name}: {first}')
    assert files and not found, 'expected "Reads ...", not "Read ...":\n' + '\n'.join(found)


@pytest.mark.parametrize('folder', ['weaktr_mmseg', 'tools'])
def test_entries_begin_with_a_capital(folder):
    found, entries = [], 0
    for file in sorted((ROOT / folder).rglob('*.py')):
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                for section in SECTION.findall(ast.get_docstring(node) or ''):
                    texts = re.findall(r'^    \S[^:\n]*: (\w+)', section, re.M)
                    entries += len(texts)
                    found += [
                        f'{file.relative_to(ROOT)}: {node.name}: {text}'
                        for text in texts
                        if text.isalpha() and text.islower() and text not in NAMES
                    ]
    assert entries and not found, '\n'.join(found)
