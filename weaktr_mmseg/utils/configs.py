"""Reading and searching configs."""

from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict, DictAction
from mmengine.registry import Registry

from .errors import WeakTrInputError
from .shipped_files import find_config

#: What a stage reads.
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_DICTIONARY = re.compile(r'[\[(\s]*(\{|dict\()')


def read_config(path: str | Path, options: Sequence[str] | None = None) -> Config:
    """Reads a config file.

    Args:
        path: The file.
        options: Changes of its values, ``'key.sub=value'`` as of ``--cfg-options``.

    Raises:
        WeakTrInputError: If there is no such file, or it or an option cannot be read.
    """
    if not Path(path).is_file():
        raise WeakTrInputError(f'config {path}: no such file')
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is a program: whatever it raises is a fault of it
        raise WeakTrInputError(f'config {path}: {error}') from error
    if options:
        changes = parse_options(options)
        try:
            cfg.merge_from_dict(changes)
        except (TypeError, KeyError, IndexError, AssertionError) as error:
            raise WeakTrInputError(f'--cfg-options: {error}') from error
    return cfg


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """Values of ``--cfg-options`` as mmengine reads them.

    Examples:
        >>> parse_options(['model.backbone.img_size=64', 'scales=1.0,1.2'])
        {'model.backbone.img_size': 64, 'scales': [1.0, 1.2]}

    Raises:
        WeakTrInputError: If one has no ``=``, is a dictionary or has brackets that do not match.
    """
    for option in options:
        if '=' not in option:
            raise WeakTrInputError(f'--cfg-options: expected KEY=VALUE, got {option!r}')
        key, _, value = option.partition('=')
        if _DICTIONARY.match(value):  # mmengine would take it for text
            raise WeakTrInputError(
                f'--cfg-options {key}: a dictionary is written key by key, as in {key}.type=NAME '
                '(entries of a list by their numbers), or in a config file'
            )
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=DictAction)
    try:
        return parser.parse_args(['--options', *options]).options
    except (AssertionError, RecursionError) as error:  # of brackets that do not match
        shown = ' '.join(options)
        raise WeakTrInputError(f'--cfg-options: cannot be read: {shown}') from error


def complete_cam_stage(cfg: Config) -> ConfigDict:
    """Config of a pipeline's CAM stage, read from its file where ``cam_stage`` names one.

    ``cam_stage`` may name a file, ``dict(config='weaktr_voc_cam.py', ...)``, relative to the
    pipeline's own, or a config of this project; its other keys override that file.

    Args:
        cfg: Config of the pipeline; not changed.

    Raises:
        WeakTrInputError: If the file does not exist.
    """
    stage = copy.deepcopy(cfg.cam_stage)
    name = stage.pop('config', None)
    if name is None:
        return stage
    path = Path(cfg.filename or '.').parent / name
    if not path.is_file():
        path = find_config(name) or path
    if not path.is_file():
        raise WeakTrInputError(f'{cfg.filename}: cam_stage.config names {path}, no such file')
    base = Config.fromfile(path)
    base.merge_from_dict(stage.to_dict())
    return ConfigDict(base.to_dict())


def find_configs(node: object, type_name: str) -> Iterator[dict]:
    """All dictionaries below ``node`` whose ``type`` is ``type_name``."""
    return (found for _, _, found in walk_configs(node) if found.get('type') == type_name)


def walk_configs(
    node: object, place: str = '', holder: object = None
) -> Iterator[tuple[object, str, dict]]:
    """Yields all dictionaries of a config: what holds them, where they stand, themselves.

    Args:
        node: A config or a part of one.
        place: Its key.
        holder: What holds it.
    """
    if isinstance(node, dict):
        yield holder, place, node
        for key, child in node.items():
            yield from walk_configs(child, f'{place}.{key}', node)
    elif isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from walk_configs(child, f'{place}.{index}', node)


def is_kind(registry: Registry, kind: object, base: type) -> bool:
    """Whether the ``type`` of a config, a class or its name, is a class below another."""
    found = registry.get(kind) if isinstance(kind, str) else kind
    return isinstance(found, type) and issubclass(found, base)
