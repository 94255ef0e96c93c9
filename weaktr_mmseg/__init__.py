"""WeakTr for MMSegmentation: image-level labels in, a segmentor out.

Importing the package registers its parts in mmseg's registries.
"""

import sys
from contextlib import redirect_stdout

from .utils.dependencies import check_dependencies
from .version import __version__

with redirect_stdout(sys.stderr):  # the frameworks print while they are imported
    check_dependencies()

    from . import datasets, engine, evaluation, models, pipeline, visualization

__all__ = ['__version__', 'datasets', 'engine', 'evaluation', 'models', 'pipeline', 'visualization']
