"""Packaging. The OpenMMLab family is chosen by requirements.txt, not forced here."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION: dict = {}
exec((ROOT / 'weaktr_mmseg' / 'version.py').read_text(), VERSION)


def copy_for_mim(package: Path) -> None:
    """Puts configs, tools and the model index where mim looks for them, ``PACKAGE/.mim``."""
    target = package / '.mim'
    shutil.rmtree(target, ignore_errors=True)
    for folder in ('configs', 'tools'):
        shutil.copytree(
            ROOT / folder, target / folder, ignore=shutil.ignore_patterns('__pycache__')
        )
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


ONNX = ['onnx>=1.14', 'onnxruntime>=1.16']
NOTEBOOK = ['ipykernel>=6', 'nbclient>=0.8', 'nbformat>=5']

setup(
    name='weaktr_mmseg',
    version=VERSION['__version__'],
    description='WeakTr for MMSegmentation: image-level labels in, a segmentor out',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['weaktr_mmseg', 'weaktr_mmseg.*']),
    package_data={'weaktr_mmseg.report': ['*.j2']},
    cmdclass=dict(build_py=BuildWithConfigs, bdist_wheel=WheelForMim),
    python_requires='>=3.9',
    install_requires=[
        'jinja2>=3',
        'matplotlib>=3.7',
        'numpy>=1.22',
        'Pillow>=9.1',
        'scikit-image>=0.22',  # its photographs make the demo data
        'tqdm>=4.60',
    ],
    extras_require={
        'onnx': ONNX,
        'tests': [
            *ONNX,
            *NOTEBOOK,
            'hypothesis>=6',
            'pycocotools>=2.0.7',
            'pydensecrf2>=1.1',
            'pytest>=7',
            'tensorboard>=2.12',
        ],
        'docs': [
            'latex2mathml>=3.77',
            'mkdocs>=1.6,<2',
            'mkdocs-material>=9.5,<10',
            'mkdocstrings[python]>=0.26',
        ],
        'dev': ['mypy>=1.8', 'pre-commit>=3', 'ruff>=0.9'],
    },
    classifiers=[
        'Development Status :: 4 - Beta',
        'License :: OSI Approved :: Apache Software License',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
)
