"""Networks of both stages."""

from .backbones import *  # noqa: F403
from .data_preprocessor import WeakTrDataPreprocessor as WeakTrDataPreprocessor
from .features import WeakTrFeatures as WeakTrFeatures
from .fusions import *  # noqa: F403
from .heads import *  # noqa: F403
from .losses import *  # noqa: F403
from .segmentors import *  # noqa: F403
