"""Compare ways to learn from photographs with image-level labels, on a folder that also has masks.

Each row is a pipeline of its own, whose config lies in OUT/ROW and can be run as it is. Training
never reads a mask; the scores do. A row that has finished is not run again.

Example:
    python tools/benchmarks/photos.py --data my_photos --weights dinov2_vits14_pretrain.pth \\
        --out photos --rows quick quick_uniform --seeds 3

Writes OUT/photos.json and OUT/photos.md: means over the seeds, of all classes with background in
percent. Scores whose name ends in _oracle use the threshold that is best given the masks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCORES = (
    'cam_coarse_miou',
    'cam_coarse_miou_oracle',
    'cam_fused_miou',
    'cam_fused_miou_oracle',
    'pseudo_label_miou',
    'relabelled_miou',
    'mask_miou',
    'val_cam_miou_oracle',
    'val_miou',
    'val_miou_given_labels',
)
FULL, QUICK, PLUS = 'weaktr_custom.py', 'weaktr_custom_quick.py', 'weaktr_custom_plus.py'
MAPS = dict(stages=['cam', 'pseudo_labels'])  # all that such a row is compared by


def _aux_losses(losses: list[dict]) -> dict[str, Any]:
    return dict(cam_stage=dict(model=dict(cam_head=dict(aux_losses=losses))), pipeline=MAPS)


def _fusion(**fusion: Any) -> dict[str, Any]:
    """Quick mode with another fusion, which the further losses then do not train."""
    changes = _aux_losses([])
    changes['cam_stage']['model']['backbone'] = dict(fusion=dict(_delete_=True, **fusion))
    return changes


def _refine(refine: dict[str, Any] | None) -> dict[str, Any]:
    refine = refine and dict(_delete_=True, **refine)
    return dict(pseudo_labels=dict(refine=refine), pipeline=MAPS)


def _decoder_loss(**loss: Any) -> dict[str, Any]:
    return dict(model=dict(decode_head=dict(loss_decode=dict(_delete_=True, **loss))))


SEED_COMPLETION = [
    dict(
        type='WeakTrSeedCompletionLoss',
        activation='sigmoid',
        attended=False,
        contrast_classes=False,
    ),
    dict(type='WeakTrHeadEntropyLoss', loss_weight=0.03),
]
# Name of a row: the config that it starts from, and what it changes.
ROWS: dict[str, tuple[str, dict[str, Any]]] = dict(
    quick=(QUICK, {}),
    quick_uniform=(QUICK, _fusion(type='WeakTrUniformFusion')),
    quick_last_1=(QUICK, _fusion(type='WeakTrUniformFusion', last_layers=1)),
    quick_last_2=(QUICK, _fusion(type='WeakTrUniformFusion', last_layers=2)),
    quick_last_4=(QUICK, _fusion(type='WeakTrUniformFusion', last_layers=4)),
    quick_seed_completion=(QUICK, _aux_losses(SEED_COMPLETION)),
    quick_without_refinement=(QUICK, _refine(None)),
    quick_pamr=(QUICK, _refine(dict(type='PAMR'))),
    plus=(PLUS, {}),
    plus_one_round=(PLUS, dict(pipeline=dict(relabel=False))),
    plus_with_clipping=(PLUS, _decoder_loss(type='WeakTrGradientClippingLoss', start=1.2)),
    plus_ema=(PLUS, dict(custom_hooks=[dict(type='EMAHook', momentum=0.01)])),
    published=(FULL, {}),
    published_uniform=(FULL, _fusion(type='WeakTrUniformFusion')),
    published_without_clipping=(
        FULL,
        dict(model=dict(decode_head=dict(loss_decode=dict(start=0.0)))),
    ),
)


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', required=True, help='folder of own data, with masks/')
    parser.add_argument('--weights', help='of the encoder (default: dinov2-s, downloaded)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/photos'))
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS), metavar='ROW')
    parser.add_argument('--seeds', type=int, default=2, help='number of seeds (default: 2)')
    parser.add_argument('--train-split', default='splits/train.txt')
    parser.add_argument('--val-split', default='splits/val.txt')
    return parser.parse_args()


def write_config(args: argparse.Namespace, row: str, seed: int, folder: Path) -> Path:
    """Writes the complete config of a row."""
    from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline
    from weaktr_mmseg.utils.configs import read_config

    leaf, changes = ROWS[row]
    cfg = read_config(ROOT / 'configs' / leaf)
    cfg.merge_from_dict(changes)
    cfg.work_dir = str(folder)
    cfg = resolve_pipeline(cfg)
    cfg.randomness = dict(seed=seed)
    splits = dict(train=args.train_split, val=args.val_split)
    for stage, test in ((cfg.cam_stage, 'train'), (cfg, 'val')):
        for loader, split in (('train', 'train'), ('val', 'val'), ('test', test)):
            stage[f'{loader}_dataloader'].dataset.ann_file = splits[split]
    cfg.pseudo_labels.score_split = args.val_split
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.parent / f'{row}_{seed}.py'
    cfg.dump(path)
    return path


def run_row(args: argparse.Namespace, row: str, seed: int) -> dict[str, Any]:
    """Runs a row or reads what an earlier call ran; returns its scores and its time."""
    folder = args.out / row / str(seed)
    summary, resources = folder / 'summary.json', folder / 'resources.json'
    if not resources.is_file():
        config = write_config(args, row, seed, folder)
        command = [sys.executable, str(ROOT / 'tools/train.py'), str(config), '--resume']
        with (folder.parent / f'{seed}.log').open('w', encoding='utf-8') as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f'{row}, seed {seed}: failed, see {log.name}')
        # Of the last call, of its main process; Linux counts in KiB.
        peak = dict(peak_gib=round(usage.ru_maxrss / 2**20, 2))
        resources.write_text(json.dumps(peak), encoding='utf-8')
    content = json.loads(summary.read_text(encoding='utf-8'))
    peak = json.loads(resources.read_text(encoding='utf-8'))
    seconds = sum(stage['seconds'] for stage in content['stages'].values())
    return dict(row=row, seed=seed, seconds=round(seconds), **peak, **content['metrics'])


def table(results: list[dict[str, Any]]) -> str:
    """Means over the seeds as a table in markdown, with the range where there are several."""
    scores = [name for name in SCORES if any(run.get(name) is not None for run in results)]
    lines = [
        f'| row | seeds | minutes | GiB | {" | ".join(scores)} |',
        '|---' * (4 + len(scores)) + '|',
    ]
    for row in dict.fromkeys(result['row'] for result in results):
        runs = [result for result in results if result['row'] == row]
        cells = [_mean([run.get(score) for run in runs]) for score in scores]
        minutes = statistics.mean(run['seconds'] for run in runs) / 60
        peak = max(run['peak_gib'] for run in runs)
        lines.append(f'| {row} | {len(runs)} | {minutes:.1f} | {peak:.1f} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _mean(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ''
    spread = f' ({min(known):.1f}-{max(known):.1f})' if len(known) > 1 else ''
    return f'{statistics.mean(known):.1f}{spread}'


def main() -> int:
    """Runs the command line."""
    args = parse_args()
    args.out = args.out.resolve()
    os.environ['WEAKTR_DATA'] = str(Path(args.data).resolve())
    if args.weights:
        os.environ['WEAKTR_PRETRAINED'] = str(Path(args.weights).resolve())
    results = []
    for row in args.rows:
        for seed in range(args.seeds):
            results.append(run_row(args, row, seed))
            (args.out / 'photos.json').write_text(json.dumps(results, indent=1), encoding='utf-8')
            (args.out / 'photos.md').write_text(table(results), encoding='utf-8')
    print(table(results))
    return 0


if __name__ == '__main__':
    sys.exit(main())
