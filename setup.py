"""Packaging. The OpenMMLab family is chosen by requirements.txt, not forced here."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION: dict = {}
exec((ROOT / 'weaktr_mmseg' / 'version.py').read_text(), VERSION)

setup(
    name='weaktr_mmseg',
    version=VERSION['__version__'],
    description='WeakTr for MMSegmentation: image-level labels in, a segmentor out',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['weaktr_mmseg', 'weaktr_mmseg.*']),
    python_requires='>=3.9',
    install_requires=[
        'numpy>=1.22',
        'Pillow>=9.1',
        'scikit-image>=0.22',  # its photographs make the demo data
        'tqdm>=4.60',
    ],
    extras_require={
        'tests': [
            'hypothesis>=6',
            'matplotlib>=3.5',
            'pycocotools>=2.0.7',
            'pydensecrf2>=1.1',
            'pytest>=7',
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
