"""WeakTr for MMSegmentation: image-level labels in, a segmentor out.

Importing the package registers its parts in mmseg's registries.
"""

from .dependencies import check_dependencies
from .version import __version__

check_dependencies()

from . import datasets, engine, evaluation, models, visualization  # noqa: E402

__all__ = ['__version__', 'datasets', 'engine', 'evaluation', 'models', 'visualization']
