"""The registry of refiners, and how a config becomes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mmengine.config import Config
from mmengine.registry import Registry

from ..utils.configs import parse_options
from .refiner import Refiner

REFINERS = Registry('refiner', scope='mmseg', locations=['weaktr_mmseg.refinement'])
OF_CONFIG: Final = 'config'  # a choice of the tools: what the config says


def build_refiner(config: Mapping[str, Any] | None) -> Refiner | None:
    """Builds what a ``refine=dict(type=..., ...)`` of a config names.

    Args:
        config: ``type``, a name in :data:`REFINERS`, and the arguments of that class; None for no
            refinement.

    Returns:
        The refiner, or None.

    Raises:
        ValueError: If the type is unknown or its arguments are wrong.

    Examples:
        >>> build_refiner(dict(type='DenseCRF', preset='voc_cam')).confidence
        0.7
    """
    if config is None:
        return None
    if not isinstance(config, Mapping) or 'type' not in config:
        raise ValueError(
            "refine: expected dict(type=...) such as dict(type='DenseCRF', preset='voc_cam'), "
            f'got {config!r}'
        )
    arguments = dict(config)
    name = arguments.pop('type')
    refiner = REFINERS.get(name) if isinstance(name, str) else name
    if refiner is None:
        known = ', '.join(sorted(REFINERS.module_dict))
        raise ValueError(
            f'refine: expected a type of {known}, got {name!r}; a class of yours is known once '
            'custom_imports names its module'
        )
    try:
        return refiner(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f'refine: {name}: {error}') from error


def parse_refine(
    words: Sequence[str] | None, default: dict[str, Any]
) -> dict[str, Any] | str | None:
    """Reads the option ``--refine TYPE KEY=VALUE ...`` of a tool.

    Args:
        words: What follows ``--refine``; None where it was not given.
        default: What ``--refine`` alone stands for.

    Returns:
        The config of a refiner, None for none, or ``'config'`` without the option.

    Raises:
        ValueError: If a word after the first is not ``KEY=VALUE``.

    Examples:
        >>> parse_refine(['DenseCRF', 'gaussian.sxy=3', 'gaussian.compat=1'], {})
        {'type': 'DenseCRF', 'gaussian': {'sxy': 3, 'compat': 1}}
    """
    if words is None:
        return OF_CONFIG
    if not words:
        return default
    name, *options = words
    wrong = [word for word in options if '=' not in word]
    if wrong or '=' in name:
        raise ValueError(
            '--refine: expected TYPE KEY=VALUE ..., such as DenseCRF preset=voc_seg, got '
            f'{" ".join(words)!r}; images stand before --refine'
        )
    if name == 'none':
        return None
    config = Config(dict(type=name))
    if options:
        config.merge_from_dict(parse_options(options))
    return config.to_dict()


def refuse_crf_key(options: Mapping[str, Any], place: str) -> None:
    """Refuses the key ``crf`` of former versions with what to write in its place.

    Args:
        options: Of a config.
        place: Where they stand there.

    Raises:
        ValueError: If ``crf`` is among the options.
    """
    if 'crf' not in options:
        return
    crf = options['crf']
    terms = dict(preset=crf) if isinstance(crf, str) else crf
    new = None if crf is None else dict(type='DenseCRF', **terms)
    arguments = ', '.join(f'{key}={value!r}' for key, value in (new or {}).items())
    raise ValueError(
        f'{place}.crf: this key became `refine`; write '
        f'refine={"None" if new is None else f"dict({arguments})"}'
    )
