"""Which recipe suits the data and the machine, and what it will take."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config

from .calibration import is_frozen
from .mask_stage import datasets_with_labels
from .options import FROZEN
from .run_estimate import Estimate, estimate_run
from .stage_configs import resolve_pipeline
from .update_schedule import list_dataset

AS_CONFIGURED, QUICK = 'as configured', 'quick mode'
FEW_IMAGES = 50  # with fewer, there is little to fine-tune an encoder on; a rule of thumb
LONG = 3600.0  # seconds after which a first answer should not have to wait
OWN_DATA = 'WeakTrCustomDataset'
GIB = 1 << 30
QUICK_OPTION = '--cfg-options pipeline.encoder=frozen'


@dataclass(frozen=True)
class Advice:
    """What the recipes will take, about, and which to start with.

    Attributes:
        estimates: By the name of the recipe.
        advice: Which one, and why; empty where there is no choice.
    """

    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    advice: str = ''

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        recipes = {
            name: dict(seconds=estimate.seconds, memory=estimate.memory)
            for name, estimate in self.estimates.items()
        }
        return dict(recipes=recipes, advice=self.advice)

    def to_text(self) -> str:
        """Lines for a terminal."""
        lines = ['On this machine, from a few images of yours (about, no other job running):']
        for name, estimate in self.estimates.items():
            memory = '' if estimate.memory is None else f', {estimate.memory / GIB:.1f} GiB'
            parts = ', '.join(f'{key} {duration(s)}' for key, s in estimate.seconds.items())
            lines.append(f'  {name}: {duration(estimate.total)}{memory} ({parts})')
        return '\n'.join([*lines, *filter(None, [self.advice])])


def advise(cfg: Config, estimate: Callable[[Config], Estimate] = estimate_run) -> Advice:
    """Estimates the recipe of a config and, for own data, that of quick mode.

    Args:
        cfg: A pipeline, not resolved, whose data have no fault.
        estimate: Estimates a resolved pipeline.
    """
    resolved = resolve_pipeline(cfg)
    data = datasets_with_labels(resolved)[0]
    if is_frozen(resolved.cam_stage):
        return Advice({QUICK: estimate(resolved)})
    estimates = {AS_CONFIGURED: estimate(resolved)}
    if data['type'] != OWN_DATA:
        return Advice(estimates)
    quick = copy.deepcopy(cfg)
    options = {**(quick.get('pipeline') or {}), 'encoder': FROZEN, 'retrain_from_cam_vit': False}
    quick.pipeline = options
    estimates[QUICK] = estimate(resolve_pipeline(quick))
    return Advice(estimates, choose(estimates, len(list_dataset(data))))


def choose(estimates: Mapping[str, Estimate], images: int) -> str:
    """Says which recipe to start with.

    Args:
        estimates: Of both recipes.
        images: Number of training images.
    """
    if images < FEW_IMAGES:
        why = f'{images} photographs are few to fine-tune an encoder on'
    elif estimates[AS_CONFIGURED].total > LONG:
        why = f'an answer in {duration(estimates[QUICK].total)} tells whether the labels will do'
    else:
        return 'Recipe: train as configured.'
    return f'Recipe: quick mode first, {QUICK_OPTION}: {why}.'


def duration(seconds: float) -> str:
    """A time as people say it.

    Examples:
        >>> [duration(seconds) for seconds in (0.4, 42, 100, 3000, 16000, 400_000)]
        ['1 s', '42 s', '2 min', '50 min', '4.4 h', '4.6 days']
    """
    if seconds < 60:
        return f'{max(seconds, 1):.0f} s'
    if seconds < 3600:
        return f'{seconds / 60:.0f} min'
    if seconds < 48 * 3600:
        return f'{seconds / 3600:.1f} h'
    return f'{seconds / 86400:.1f} days'
