"""Which stages of a pipeline are finished, resume, or start."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from ..engine.checkpoint_files import latest_checkpoint
from ..engine.main_process import on_main_process
from ..utils.errors import WeakTrInputError
from ..utils.files import remove_leftovers
from .run_state import STATE_FILE, RunState, in_one_line
from .stage import Run, Stage
from .stage_inputs import digest

SUMMARY_FILE = 'summary.json'
FORMER = 'former_run_{}'


class ResumableStages:
    """Runs each stage unless it has finished from the same inputs.

    With ``resume``, a finished stage is passed over, an unfinished one resumes in its folder, and
    one whose inputs the user changed is refused with the names of the changed keys, or, with
    ``accept_changes``, started anew; its former folder is moved aside. Stages whose inputs changed
    because an earlier stage ran anew start anew as well.

    Without ``resume``, a finished run in the folder is moved aside, whole; an unfinished one is
    refused, so that training is not lost by forgetting ``--resume``.

    Args:
        run: The run; the caller holds the lock of its folder.
        stages: All stages of the run.
        resume: Whether to continue with what is there.
        accept_changes: Whether stages may start anew because their inputs changed.

    Raises:
        WeakTrInputError: If the folder holds a run that can be neither continued nor replaced.
    """

    def __init__(
        self, run: Run, stages: Sequence[Stage], resume: bool, accept_changes: bool = False
    ) -> None:
        self._run = run
        self.work_dir = run.work_dir
        self.folders = [stage.folder for stage in stages if stage.folder]
        self.accept_changes = accept_changes
        self.state = RunState(run.work_dir)
        self._former: Path | None = None
        on_main_process(self._open, resume)

    def run(self, stage: Stage) -> dict[str, Any]:
        """Returns the results of a stage, from the state or by running it.

        Args:
            stage: One of the stages.

        Returns:
            The results: plain values. ``seconds`` of this session and a digest of the ``inputs``
            are added.
        """
        results, resumes = on_main_process(self._begin, stage)
        if results is not None:
            print_log(f'WeakTr stage {stage.name!r} has finished before', logger='current')
            return results
        word = 'resumes' if resumes else 'starts'
        print_log(f'WeakTr stage {stage.name!r} {word}', logger='current')
        start = time.perf_counter()
        results = stage.run(self._run, resumes)
        results['seconds'] = round(time.perf_counter() - start, 1)
        gc.collect()
        return on_main_process(self._finish, stage, results)

    def _open(self, resume: bool) -> None:
        """Reads the state that is continued, or makes way for a new one."""
        present = [name for name in self.folders if (self.work_dir / name).exists()]
        if not resume and (self.work_dir / SUMMARY_FILE).is_file():
            self._move_aside([*present, STATE_FILE, SUMMARY_FILE])
            present = []
        state = RunState.load(self.work_dir)
        if resume and state is not None:
            self.state = state
        elif resume and present:
            raise WeakTrInputError(
                f'{self.work_dir} holds {", ".join(present)} but no {STATE_FILE} that says from '
                'what they were made; choose another --work-dir'
            )
        elif self._is_worth_keeping(state, present):
            raise WeakTrInputError(
                f'{self.work_dir} holds an unfinished run: continue it with --resume, or choose '
                'another --work-dir'
            )
        self._remove_leftovers(present)

    def _is_worth_keeping(self, state: RunState | None, present: list[str]) -> bool:
        if state is not None and any(state.results(stage) for stage in state.stages):
            return True
        return any(latest_checkpoint(self.work_dir / name) for name in present)

    def _begin(self, stage: Stage) -> tuple[dict[str, Any] | None, bool]:
        """Results of a finished stage, and whether an unfinished one resumes."""
        name, inputs = stage.name, stage.inputs(self._run)
        changes, upstream = self.state.changes(name, inputs)
        if changes and not self.accept_changes:
            raise WeakTrInputError(
                f'{self.work_dir}: inputs of stage {name!r} changed since it began: '
                f'{in_one_line(changes)}; choose another --work-dir, or run the changed stages '
                'anew with --cfg-options pipeline.resume_changed=True'
            )
        anew = changes + upstream
        results = self.state.results(name)
        if results is not None and not anew and stage.intact(self._run, results):
            return results, False
        resumes = name in self.state.stages and not anew
        self._move_aside([SUMMARY_FILE])
        if anew:
            print_log(f'Stage {name!r} starts anew: {in_one_line(anew)}', logger='current')
        folder = stage.folder
        if folder and (anew or (not resumes and latest_checkpoint(self.work_dir / folder))):
            self._move_aside([folder])
        self.state.begin(name, inputs)
        return None, resumes

    def _finish(self, stage: Stage, results: dict[str, Any]) -> dict[str, Any]:
        results['inputs'] = digest(self.state.stages[stage.name]['inputs'])
        self.state.finish(stage.name, results)
        return results

    def _move_aside(self, names: list[str]) -> None:
        """Moves files and folders of the run to ``former_run_N`` below it, one for all."""
        for name in names:
            path = self.work_dir / name
            if path.exists():
                self._former = self._former or self._new_former()
                path.rename(self._former / name)
                print_log(f'Moved {path} of a former run to {self._former}', logger='current')

    def _new_former(self) -> Path:
        number = 1
        while (folder := self.work_dir / FORMER.format(number)).exists():
            number += 1
        folder.mkdir()
        return folder

    def _remove_leftovers(self, present: list[str]) -> None:
        """Removes the temporary files of writes that did not end."""
        remove_leftovers(self.work_dir, recursive=False)
        for name in present:
            remove_leftovers(self.work_dir / name)
