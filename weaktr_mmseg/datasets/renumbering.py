"""Stock options that would renumber the ids of masks, but not those of labels and pseudo labels."""

from __future__ import annotations

from mmseg.datasets import BaseSegDataset

from ..utils.errors import WeakTrInputError


def refuse_renumbering(dataset: BaseSegDataset) -> None:
    """Refuses a data set whose masks would have other ids than its labels.

    mmseg renumbers masks while it loads them: ``reduce_zero_label`` turns background into "left
    out" and every class into the one before, and a class list other than the data set's own makes
    a ``label_map``. Labels, activation maps and pseudo labels keep their ids, so that scores would
    compare different classes, or no class at all, which counts as 100.

    Args:
        dataset: The data set, built.

    Raises:
        WeakTrInputError: If an option of the data set or of a transform renumbers masks.
    """
    name = type(dataset).__name__
    options = [(name, dataset)]
    options += [(f'{name}: {type(step).__name__}', step) for step in dataset.pipeline.transforms]
    for where, owner in options:
        if getattr(owner, 'reduce_zero_label', False):
            raise WeakTrInputError(
                f'{where}: reduce_zero_label=True cannot be set: background is class 0 here, and '
                'masks would be renumbered while labels and pseudo labels keep their ids'
            )
    if dataset.label_map is not None:
        raise WeakTrInputError(
            f'{name}: metainfo.classes {list(dataset.metainfo["classes"])} are not those of the '
            f'data set, {list(type(dataset).METAINFO["classes"])}: masks would be renumbered '
            'while pseudo labels keep their ids; use ImageLabelDataset with masks of your classes'
        )
