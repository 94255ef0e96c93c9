"""What a pipeline has finished, and from which inputs: ``work_dir/state.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..utils.errors import WeakTrInputError
from ..utils.files import write_json

STATE_FILE = 'state.json'
VERSION = 2  # 1: batch_size was that of all processes together
ABSENT = '(absent)'
SHOWN = 5
# Inputs made by earlier stages; a change of them is no change by the user.
UPSTREAM = 'upstream'


class RunState:
    """The stages that began or finished, each with its inputs; written at every change.

    Args:
        folder: Work folder of the pipeline.
        stages: Content as read by :meth:`load`.
    """

    def __init__(self, folder: str | Path, stages: dict[str, dict] | None = None) -> None:
        self.path = Path(folder) / STATE_FILE
        self.stages = stages or {}

    @classmethod
    def load(cls, folder: str | Path) -> RunState | None:
        """Reads the state of a folder; None if it has none.

        Raises:
            WeakTrInputError: If the file is damaged or of another version.
        """
        path = Path(folder) / STATE_FILE
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            version, stages = content['version'], content['stages']
            valid = version == VERSION and all('inputs' in stage for stage in stages.values())
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WeakTrInputError(f'{path}: expected the state of a run, got: {error}') from error
        if not valid:
            raise WeakTrInputError(
                f'{path}: expected a state of version {VERSION}, got version {version}: the run '
                'was begun by another version of weaktr_mmseg; finish it with that one, or choose '
                'another --work-dir'
            )
        return cls(folder, stages)

    def begin(self, stage: str, inputs: dict[str, Any]) -> None:
        """Notes that a stage works from these inputs; those after it are forgotten."""
        names = list(self.stages)
        after = names[names.index(stage) + 1 :] if stage in names else []
        for name in after:
            del self.stages[name]
        self.stages[stage] = dict(inputs=inputs, results=None)
        self._write()

    def finish(self, stage: str, results: dict[str, Any]) -> None:
        """Notes that a stage has finished, and its results (plain values)."""
        self.stages[stage]['results'] = results
        self._write()

    def results(self, stage: str) -> dict[str, Any] | None:
        """What :meth:`finish` was given; None if the stage has not finished."""
        return self.stages.get(stage, {}).get('results')

    def changes(self, stage: str, inputs: dict[str, Any]) -> tuple[list[str], list[str]]:
        """What differs from the inputs of a stage that began.

        Returns:
            Lines ``key.path: old -> new`` of what the user changed, and of what earlier stages
            made anew; both empty if the stage has not begun.
        """
        if stage not in self.stages:
            return [], []
        before = dict(self.stages[stage]['inputs'])
        after = json.loads(json.dumps(inputs))
        upstream = list(differences(before.pop(UPSTREAM, {}), after.pop(UPSTREAM, {})))
        return list(differences(before, after)), upstream

    def _write(self) -> None:
        write_json(self.path, dict(version=VERSION, stages=self.stages))


def differences(old: Any, new: Any, path: str = '') -> Iterator[str]:
    """Lines ``key.path: old -> new`` for all leaves in which two nested values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            place = f'{path}.{key}' if path else str(key)
            yield from differences(old.get(key, ABSENT), new.get(key, ABSENT), place)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new)):
            yield from differences(before, after, f'{path}[{index}]')
    elif old != new:
        yield f'{path}: {_short(old)} -> {_short(new)}'


def in_one_line(changes: list[str]) -> str:
    """The first few changes and the number of the others."""
    shown = '; '.join(changes[:SHOWN])
    more = len(changes) - SHOWN
    return f'{shown}; and {more} more' if more > 0 else shown


def _short(value: Any) -> str:
    text = value if value == ABSENT else json.dumps(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
