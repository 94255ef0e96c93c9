"""Draws what each stage of a finished pipeline makes of a few validation images.

Example:
    python tools/pipeline_figure.py work_dirs/weaktr_demo demo.png

Exit codes: 0 written; 2 the folder holds no finished run, or an argument is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from command_line import new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('work_dir', type=Path, help='folder of a finished pipeline')
    parser.add_argument('out', type=Path, help='picture to write, .png or another format')
    parser.add_argument('--images', type=int, default=4, help='number of rows (default: 4)')
    parser.add_argument('--seed', type=int, default=0, help='chooses the images (default: 0)')
    args = parser.parse_args()
    if args.images < 1:
        parser.error(f'--images: expected at least 1, got {args.images}')
    return args


def main(args: argparse.Namespace) -> int:
    """Writes the figure."""
    from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline
    from weaktr_mmseg.utils.configs import read_config
    from weaktr_mmseg.visualization.panels import save_figure
    from weaktr_mmseg.visualization.pipeline_figure import pipeline_figure

    configs = list(args.work_dir.glob('*.py'))
    if len(configs) != 1:
        raise ValueError(f'expected one config in {args.work_dir}, found {len(configs)}')
    cfg = resolve_pipeline(read_config(configs[0]))
    save_figure(pipeline_figure(cfg, args.work_dir, args.images, args.seed), args.out)
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
