"""WeakTr for MMSegmentation: image-level labels in, a segmentor out.

Importing the package registers its parts in the registries of mmseg, and changes nothing else.
"""

from .utils.dependencies import check_dependencies
from .utils.moved import find_moved_modules
from .version import __version__

check_dependencies()
find_moved_modules()

from . import (  # noqa: E402
    checkpoints,
    datasets,
    engine,
    evaluation,
    models,
    pipeline,
    visualization,
)

__all__ = [
    '__version__',
    'checkpoints',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'pipeline',
    'visualization',
]
