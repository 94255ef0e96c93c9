"""A stage that a stranger adds, from outside of the package and without changing it."""

from __future__ import annotations

from typing import Any

from weaktr_mmseg.pipeline import Run, Stage, register_stage


def count(run: Run, resumes: bool) -> dict[str, Any]:
    """Counts the pixels of every pseudo label."""
    folder = run.work_dir / 'census'
    folder.mkdir(exist_ok=True)
    masks = sorted((run.work_dir / 'pseudo_labels/masks').glob('*.png'))
    (folder / 'masks.txt').write_text('\n'.join(path.name for path in masks), encoding='utf-8')
    return dict(metrics=dict(census_masks=len(masks)), resumed=resumes)


register_stage(
    Stage(
        'census',
        'Census of the masks',
        'census',
        inputs=lambda run: dict(upstream=dict(labels=run.results['pseudo_labels']['inputs'])),
        run=count,
        intact=lambda run, results: (run.work_dir / 'census/masks.txt').is_file(),
        needs=('pseudo_labels',),
    )
)
