"""Which recipe suits the data and the machine, and what it will take."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config

from ..datasets.building import list_dataset
from .calibration import is_frozen
from .frozen_recipe import fine_tune_segmentor
from .mask_stage import datasets_with_labels
from .options import FROZEN, FROZEN_CAM
from .run_estimate import Estimate, estimate_run
from .stage_configs import relabels, resolve_pipeline

AS_CONFIGURED, PLUS, QUICK = 'as configured', 'plus recipe', 'quick mode'
PLUS_LEAF = 'weaktr_custom_plus'
FEW_IMAGES = 50  # with fewer, there is little to fine-tune an encoder on; a rule of thumb
LONG = 3600.0  # seconds after which a first answer should not have to wait
OWN_DATA = 'WeakTrCustomDataset'
GIB = 1 << 30
QUICK_OPTION = '--cfg-options pipeline.encoder=frozen'
QUICK_OPTIONS = dict(encoder=FROZEN, relabel=False, retrain_from_cam_vit=False)
PLUS_OPTIONS = dict(encoder=FROZEN_CAM, relabel=True, retrain_from_cam_vit=False)


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
    """Estimates the recipe of a config and, for own data, the plus recipe and quick mode.

    Args:
        cfg: A pipeline, not resolved, whose data have no fault.
        estimate: Estimates a resolved pipeline.
    """
    resolved = resolve_pipeline(cfg)
    data = datasets_with_labels(resolved)[0]
    if is_frozen(resolved.cam_stage) and is_frozen(resolved):
        return Advice({QUICK: estimate(resolved)})
    own = data['type'] == OWN_DATA
    estimates = {PLUS if own and relabels(resolved) else AS_CONFIGURED: estimate(resolved)}
    if not own:
        return Advice(estimates)
    if PLUS not in estimates:
        plus = _with_options(cfg, PLUS_OPTIONS)
        fine_tune_segmentor(plus)
        estimates[PLUS] = estimate(plus)
    estimates[QUICK] = estimate(_with_options(cfg, QUICK_OPTIONS))
    return Advice(estimates, choose(estimates, len(list_dataset(data))))


def _with_options(cfg: Config, options: dict[str, Any]) -> Config:
    """A pipeline, resolved, with other options."""
    other = copy.deepcopy(cfg)
    other.pipeline = {**(other.get('pipeline') or {}), **options}
    return resolve_pipeline(other)


def choose(estimates: Mapping[str, Estimate], images: int) -> str:
    """Says which recipe to start with, and which comes next.

    Args:
        estimates: Of all recipes.
        images: Number of training images.
    """
    longest = max(estimate.total for estimate in estimates.values())
    if images < FEW_IMAGES:
        why = f'{images} photographs are few to fine-tune an encoder on'
    elif longest > LONG:
        why = f'an answer in {duration(estimates[QUICK].total)} tells whether the labels will do'
    else:
        return 'Recipe: train as configured.'
    then = f'then configs/{PLUS_LEAF}.py, {duration(estimates[PLUS].total)}'
    return f'Recipe: quick mode first, {QUICK_OPTION}: {why}; {then}.'


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
