"""Where the modules and names of the first release are now."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = __name__.partition('.')[0]
# Modules that are gone, below the package -> where their names are looked for, in turn.
MODULES = {
    'datasets.check_data': ('data_check.check_data',),
    'datasets.checks': ('data_check', 'data_check.lists', 'data_check.model', 'data_check.pixels'),
    'datasets.class_discovery': ('datasets.label_sources.class_discovery',),
    'datasets.coco_labels': ('datasets.label_sources.coco_labels',),
    'datasets.manifest_labels': ('datasets.label_sources.manifest_labels',),
    'datasets.palette': ('utils.palette',),
    'engine.pipeline_runner': ('pipeline.runner',),
    'engine.stage_configs': ('pipeline.stage_configs', 'pipeline.options', 'utils.configs'),
    'errors': ('utils.errors',),
    'export': ('apis.onnx',),
    'inference': ('apis', 'apis.models', 'utils.configs'),
    'inference.images': ('apis.images',),
    'inference.inferencer': ('apis.inferencer',),
    'inference.models': ('apis.models', 'utils.configs'),
    'inference.segment': ('apis.segment',),
    'inference.segment_files': ('apis.segment_files',),
    'models.cam_head': ('models.heads.cam_head',),
    'models.cam_segmentor': ('models.segmentors.cam_segmentor',),
    'models.gradient_clipping_head': ('models.heads.gradient_clipping_head',),
    'models.gradient_clipping_loss': ('models.losses.gradient_clipping_loss',),
    'models.segmenter_vit': ('models.backbones.segmenter_vit',),
    'models.weaktr_segmentor': ('models.segmentors.weaktr_segmentor',),
    'models.weaktr_vit': ('models.backbones.weaktr_vit', 'models.features'),
    'pseudo_labels.dense_crf': ('crf',),
    'pseudo_labels.mean_field': ('crf.mean_field',),
    'pseudo_labels.permutohedral': ('crf.permutohedral',),
    'visualization.report': ('report',),
}
# Modules that remain and lost names -> where these are looked for.
NAMES = {
    'datasets.transforms.load_image': ('utils.images',),
    'engine': ('pipeline',),
    'pseudo_labels': ('crf', 'utils.masks'),
    'pseudo_labels.cam_files': ('utils.masks',),
    'pseudo_labels.thresholds': ('pseudo_labels.threshold_choice',),
}


def moved_names(module: str) -> Callable[[str], Any]:
    """Gives the ``__getattr__`` of a module that finds names of the first release, with a warning.

    Args:
        module: Its full name.
    """
    old = module.partition('.')[2]

    def find(name: str) -> Any:
        if not name.startswith('__'):
            for new in MODULES.get(old) or NAMES[old]:
                target = import_module(f'{PACKAGE}.{new}')
                if name in vars(target):
                    message = f'{module}.{name} moved; import it from {target.__name__}'
                    warnings.warn(message, FutureWarning, stacklevel=2)
                    return vars(target)[name]
        raise AttributeError(f'module {module!r} has no attribute {name!r}')

    return find


class _MovedModules(MetaPathFinder, Loader):
    """Finds what nothing else has found, and what the first release had."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        package, _, old = fullname.partition('.')
        if package != PACKAGE or old not in MODULES:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)['__getattr__'] = moved_names(module.__name__)


def find_moved_modules() -> None:
    """Lets modules of the first release be imported, with a warning when a name is taken."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
