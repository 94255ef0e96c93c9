"""The architecture page is true to the code, and the code keeps its rules."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'weaktr_mmseg'
FRAMEWORKS_OF_MODELS = ('mmengine', 'mmcv', 'mmseg', 'mmpretrain')


def load_hook(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f'docs/hooks/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def code_tables():
    return load_hook('code_tables')


def test_no_circle_of_modules(code_tables):
    modules = code_tables.modules()
    circle = [name for name in modules if name in code_tables.reachable(name, modules)]
    assert not circle, {name: sorted(modules[name] & set(circle)) for name in circle}


def test_every_sub_package_is_found(code_tables):
    folders = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    assert set(code_tables.imports()) == folders


def test_imports_are_those_of_the_statements(code_tables):
    modules = code_tables.modules()
    assert 'models.fusions.head_fusion' in modules['models.backbones.weaktr_vit']
    assert 'pseudo_labels.thresholds' in modules['evaluation.cam_metric']
    assert {'refinement', 'utils'} <= code_tables.imports()['models']


def test_no_circle_of_packages(code_tables):
    packages = code_tables.imports()
    circle = [name for name in packages if name in code_tables.reachable(name, packages)]
    assert not circle, {name: sorted(packages[name] & set(circle)) for name in circle}


def test_packages_import_only_what_the_page_lists_before_them(code_tables):
    page = (ROOT / 'docs/architecture.md').read_text(encoding='utf-8')
    rooms = page[page.index('## Rooms') : page.index('## Who imports whom')]
    order = [
        name
        for row in re.findall(r'^\| (`.*?) \|', rooms, re.M)
        for name in re.findall(r'`(\w+)`', row)
    ]
    packages = code_tables.imports()
    assert set(order) == set(packages)
    for name, targets in packages.items():
        upwards = {target for target in targets if order.index(target) > order.index(name)}
        assert not upwards, f'{name} imports {upwards}'


def test_pseudo_labels_know_no_network_and_no_registry_but_that_of_refiners(code_tables):
    assert code_tables.imports()['pseudo_labels'] <= {'refinement', 'utils'}
    for path in (PACKAGE / 'pseudo_labels').glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            roots = {(module or '').split('.')[0] for module in modules}
            assert not roots & set(FRAMEWORKS_OF_MODELS), f'{path}: {modules}'


@pytest.mark.parametrize('part', ['models', 'datasets', 'evaluation', 'checkpoints'])
def test_only_what_stands_above_knows_the_stages(code_tables, part):
    above = {'apis', 'data_check', 'engine', 'pipeline', 'report', 'visualization'}
    assert not code_tables.reachable(part, code_tables.imports()) & above


def test_names_in_the_picture_exist():
    picture = (ROOT / 'docs/images/architecture.svg').read_text(encoding='utf-8')
    names = re.findall(r'data-object="(\w+)\.(\w+)"', picture)
    assert len(names) > 15
    for part, name in names:
        sources = (path.read_text(encoding='utf-8') for path in (PACKAGE / part).rglob('*.py'))
        assert any(re.search(rf'^(class|def) {name}\b', text, re.M) for text in sources), name


def test_places_that_the_page_names_exist():
    page = (ROOT / 'docs/architecture.md').read_text(encoding='utf-8')
    rows = re.findall(
        r'^\| .*', page[page.index('## Where do I add') : page.index('And where')], re.M
    )
    files, tests, tables = [], [], []
    for _, file, registry, test in (row.strip('| ').split(' | ') for row in rows[1:]):
        files += re.findall(r'`([\w/]+/(?:\w+\.py)?)`', file)
        tests += re.findall(r'`([\w/.]+)`', test)
        tables += re.findall(r'`([A-Z_]+)`', registry)
    assert len(files) > 10 < len(tests)
    assert not [name for name in files if not (PACKAGE / name).exists()]
    assert not [name for name in tests if not (ROOT / 'tests' / name).exists()]
    code = '\n'.join(file.read_text(encoding='utf-8') for file in PACKAGE.rglob('*.py'))
    assert not [name for name in tables if not re.search(rf'\b{name}\b', code)]


def test_registered_classes_are_listed(code_tables):
    names = {name.rsplit('.')[-1] for name in code_tables.registered_classes('models')}
    assert {'WeakTrViT', 'WeakTrCAMHead', 'WeakTrGradientClippingLoss'} <= names
    page = (ROOT / 'docs/configuration.md').read_text(encoding='utf-8')
    listed = ' '.join(re.findall(r'\{\{ registered: (.*?) \}\}', page)).split()
    for part in {path.parent.name for path in PACKAGE.glob('*/__init__.py')}:
        assert (part in listed) == any(code_tables.registered_classes(part)), part


def test_text_is_read_and_written_with_an_encoding():
    """What ruff's PLW1514 misses; PYTHONWARNDEFAULTENCODING sees only what a test runs."""
    files = [
        file for name in ('weaktr_mmseg', 'tools', 'tests') for file in (ROOT / name).rglob('*.py')
    ]
    calls = [
        (f'{file.relative_to(ROOT)}:{node.lineno}', len(node.args), node.keywords, node.func.attr)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8')))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    places = dict(read_text=0, write_text=1)  # arguments before the encoding
    found = [call for call in calls if call[3] in places]
    assert len(found) > 100
    assert not [
        where
        for where, given, keywords, name in found
        if given <= places[name] and not {'encoding', None} & {keyword.arg for keyword in keywords}
    ]
