"""The table of stages: what a pipeline consists of, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..utils.errors import WeakTrInputError
from ..utils.keys import refuse_unknown


@dataclass
class Run:
    """A run of a pipeline, as its stages see it.

    Attributes:
        cfg: The resolved pipeline, see :func:`stage_configs.resolve_pipeline`.
        work_dir: Its folder, absolute.
        results: What each finished stage returned, by its name.
    """

    cfg: Config
    work_dir: Path
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def checkpoint(self, stage: str) -> Path:
        """The checkpoint of a finished stage."""
        return self.work_dir / self.results[stage]['checkpoint']


@dataclass(frozen=True)
class Stage:
    """An entry of the table.

    Attributes:
        name: As in ``pipeline.stages``, ``state.json`` and ``summary.json``.
        title: As people read it.
        folder: What it writes into, below ``work_dir``; None if it has no folder of its own.
        inputs: Returns what its result depends on, as plain values, for :class:`RunState`; the key
            ``upstream`` holds what earlier stages made. Called in the main process.
        run: Does the work; is told whether to continue with what its folder holds. Returns plain
            values; of these, ``checkpoint`` (relative to ``work_dir``), ``metrics`` and
            ``chosen_by`` are shown in the summary. Called in every process.
        intact: Whether the files of finished results are still there.
        configs: Returns the configs of the runners that it will build, each behind the prefix of
            its keys, so that faults in them are found before the first stage starts.
        needs: Stages whose results it uses, which must run before it.
    """

    name: str
    title: str
    folder: str | None
    inputs: Callable[[Run], dict[str, Any]]
    run: Callable[[Run, bool], dict[str, Any]]
    intact: Callable[[Run, dict[str, Any]], bool] = lambda run, results: True
    configs: Callable[[Run], Iterable[tuple[str, Config]]] = lambda run: ()
    needs: tuple[str, ...] = ()


# All stages that a pipeline can name, in the order in which they were entered.
STAGES: dict[str, Stage] = {}
# Stages by default, and the options of ``pipeline`` that each hangs on.
DEFAULT_STAGES: dict[str, tuple[str, ...]] = dict(
    cam=(),
    pseudo_labels=(),
    relabel=('retrain', 'relabel'),
    retrain=('retrain',),
    evaluation=('retrain',),
    masks=('retrain', 'masks'),
)


def register_stage(stage: Stage) -> Stage:
    """Enters a stage into the table; a pipeline runs it once ``pipeline.stages`` names it.

    Raises:
        WeakTrInputError: If the table has another stage of this name.
    """
    if STAGES.setdefault(stage.name, stage) is not stage:
        raise WeakTrInputError(f'stage {stage.name!r}: there is one of this name already')
    return stage


def chosen_stages(options: dict[str, Any]) -> list[Stage]:
    """The stages of a pipeline in the order in which they run.

    Args:
        options: ``pipeline`` of a config with its defaults.

    Raises:
        WeakTrInputError: If ``stages`` is no list of names of the table, or one lacks what it
            needs.
    """
    names = options['stages'] or [
        name for name, needed in DEFAULT_STAGES.items() if all(options[key] for key in needed)
    ]
    if isinstance(names, str) or len(set(names)) != len(names):
        raise WeakTrInputError(f'pipeline.stages: expected a list of different names, got {names}')
    refuse_unknown(names, STAGES, 'pipeline.stages')
    for index, name in enumerate(names):
        missing = sorted(set(STAGES[name].needs) - set(names[:index]))
        if missing:
            raise WeakTrInputError(
                f'pipeline.stages: {name!r} needs {", ".join(missing)} before it, got {names}'
            )
    return [STAGES[name] for name in names]
