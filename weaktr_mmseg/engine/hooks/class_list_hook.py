"""Refuses checkpoints of other classes or of the other stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmseg.registry import HOOKS

from ...models.checkpoint_guard import refuse_other_stage
from ...utils.errors import WeakTrInputError
from ..distributed import bare_model


@HOOKS.register_module()
class WeakTrClassListHook(Hook):
    """Compares the class names in a checkpoint with those of the data set.

    Another number of classes is refused by the model itself; the same number with other names or
    in another order fits every parameter and would be scored as if nothing were wrong. Checkpoints
    without class names, such as ImageNet's, pass; so do those for a model without classes. What is
    of the CAM stage and given for a segmentor, or the other way round, is refused first.
    """

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Checks a loaded checkpoint.

        Raises:
            WeakTrInputError: If it was trained on other classes or is of the other stage.
        """
        meta = checkpoint.get('meta')
        stored = _classes(meta.get('dataset_meta')) if isinstance(meta, Mapping) else None
        model = bare_model(runner)
        try:
            segmentor = model.module if isinstance(model, BaseTTAModel) else model
            refuse_other_stage(segmentor, checkpoint.get('state_dict') or ())
        except WeakTrInputError as error:
            raise WeakTrInputError(f'{runner._load_from or runner.work_dir}: {error}') from None
        expected = _classes(getattr(model, 'dataset_meta', None)) or _dataset_classes(runner)
        if stored is None or expected is None or stored == expected:
            return
        raise WeakTrInputError(
            f'{runner._load_from or runner.work_dir}: the checkpoint was trained on the classes '
            f'{_first_difference(stored, expected)}'
        )


def _classes(meta: Any) -> list[str] | None:
    names = meta.get('classes') if isinstance(meta, Mapping) else None
    if not isinstance(names, Sequence) or isinstance(names, str):
        return None
    return [str(name) for name in names]


def _dataset_classes(runner: Any) -> list[str] | None:
    """Class names of the data set of the loop that runs."""
    for loop in (runner._train_loop, runner._test_loop, runner._val_loop):
        dataset = getattr(getattr(loop, 'dataloader', None), 'dataset', None)
        if dataset is not None:
            return _classes(getattr(dataset, 'metainfo', None))
    return None


def _first_difference(stored: list[str], expected: list[str]) -> str:
    if len(stored) != len(expected):
        return f'{stored}, {len(stored)} in number, expected {len(expected)}: {expected}'
    index = next(i for i, pair in enumerate(zip(stored, expected)) if pair[0] != pair[1])
    return f'{stored}, expected {expected} (id {index}: {stored[index]!r}, {expected[index]!r})'
