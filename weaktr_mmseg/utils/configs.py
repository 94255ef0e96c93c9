"""Reading and searching configs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict

from .errors import WeakTrInputError
from .shipped_files import find_config


def read_config(path: str | Path) -> Config:
    """Reads a config file.

    Raises:
        WeakTrInputError: If there is no such file or it cannot be read as a config.
    """
    if not Path(path).is_file():
        raise WeakTrInputError(f'config {path}: no such file')
    try:
        return Config.fromfile(path)
    except (OSError, SyntaxError, NameError, ValueError, KeyError, AttributeError) as error:
        raise WeakTrInputError(f'config {path}: {error}') from error


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
    if isinstance(node, dict):
        if node.get('type') == type_name:
            yield node
        for child in node.values():
            yield from find_configs(child, type_name)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from find_configs(child, type_name)
