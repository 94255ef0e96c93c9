"""What pyproject.toml cannot say: configs and tools go where mim looks for them."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
NOT_SHIPPED = shutil.ignore_patterns('__pycache__', 'benchmarks', 'dev')


def copy_for_mim(package: Path) -> None:
    """Puts configs, tools and the model index where mim looks for them, ``PACKAGE/.mim``."""
    target = package / '.mim'
    shutil.rmtree(target, ignore_errors=True)
    for folder in ('configs', 'tools'):
        shutil.copytree(ROOT / folder, target / folder, ignore=NOT_SHIPPED)
    shutil.copy2(ROOT / 'model-index.yml', target)


class BuildWithConfigs(build_py):
    """Gives an installed package its configs; in an editable one mim reads the checkout."""

    def run(self) -> None:
        super().run()
        if not getattr(self, 'editable_mode', False):
            copy_for_mim(Path(self.build_lib) / 'weaktr_mmseg')


class WheelForMim(bdist_wheel):
    """Copies the configs into the metadata, too.

    onedl-mim 0.5 takes the folder of the first file in RECORD for that of the package. RECORD is
    sorted, and 'weaktr_mmseg-0.1.0.dist-info' comes before 'weaktr_mmseg/'.
    """

    def write_wheelfile(self, wheelfile_base: str, *args, **kwargs) -> None:
        super().write_wheelfile(wheelfile_base, *args, **kwargs)
        if 'editable_wheel' not in self.distribution.commands:
            copy_for_mim(Path(wheelfile_base))


setup(cmdclass=dict(build_py=BuildWithConfigs, bdist_wheel=WheelForMim))
