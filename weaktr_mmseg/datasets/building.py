"""Data sets from their configs, outside of a runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from torch.utils.data import Dataset


def build_dataset(config: Mapping[str, Any], **options: Any) -> Any:
    """Builds a data set, whatever the default scope is.

    Args:
        config: Its config.
        options: Keys that replace those of the config.
    """
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build({**config, **options})


def list_dataset(dataset: Mapping[str, Any]) -> Dataset:
    """Builds a data set that lists its samples and loads none.

    Raises:
        WeakTrInputError: If the samples cannot be listed.
    """
    config = dict(dataset)
    if 'pipeline' in config:
        config.update(pipeline=[], lazy_init=True, serialize_data=False)
    built = build_dataset(config)
    built.full_init()
    return built
