from __future__ import annotations

from types import SimpleNamespace

import pytest

from weaktr_mmseg.utils import dependencies

LOWEST = {name: versions[0] for name, versions in dependencies.REQUIRED.items()}


@pytest.fixture
def install(monkeypatch):
    """Pretends that packages of these versions are installed; None cannot be imported."""

    def pretend(**versions):
        def import_module(name):
            version = {**LOWEST, **versions}[name]
            if version is None:
                raise ImportError(f'No module named {name!r}')
            return SimpleNamespace(__version__=version)

        monkeypatch.setattr(dependencies, 'import_module', import_module)

    return pretend


def test_what_is_installed_is_supported():
    dependencies.check_dependencies()


@pytest.mark.parametrize(
    'versions',
    [
        {},
        dict(mmcv='2.1.0', mmengine='0.10.7', mmseg='1.2.2', mmpretrain='1.2.0'),
        dict(mmcv='2.3.6', mmengine='0.10.12', mmseg='1.4.2', mmpretrain='1.3.6'),
    ],
    ids=['lowest', 'originals', 'continuation'],
)
def test_supported(install, versions):
    install(**versions)
    dependencies.check_dependencies()


@pytest.mark.parametrize(
    ('versions', 'message'),
    [
        (dict(mmcv='1.7.2'), r'needs mmcv >= 2\.0\.1, < 3\.0\.0; found 1\.7\.2.*onedl-mmcv'),
        (dict(mmseg='2.0.0'), r'needs mmseg >= 1\.2\.0, < 2\.0\.0; found 2\.0\.0'),
        (dict(mmengine='0.9.9'), r'needs mmengine >= 0\.10\.0.*found 0\.9\.9.*onedl-mmengine'),
        (dict(mmpretrain=None), r'needs mmpretrain \(pip install onedl-mmpretrain.*No module'),
    ],
)
def test_unsupported_names_the_package_and_what_was_found(install, versions, message):
    install(**versions)
    with pytest.raises(ImportError, match=message):
        dependencies.check_dependencies()
