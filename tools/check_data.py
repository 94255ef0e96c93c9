"""Check the data and the config before training.

Example:
    python tools/check_data.py configs/weaktr_custom.py

Exit codes: 0 no error; 1 errors in the data, each printed with its file; 2 no such config, or one
that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from command_line import add_cfg_options, new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('config', help='config of a stage or of the pipeline')
    parser.add_argument('--quick', action='store_true', help='do not open images and masks')
    parser.add_argument('--json', action='store_true', help='print the report as JSON')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    add_cfg_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Checks and prints the report."""
    from weaktr_mmseg.data_check import check_data
    from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline
    from weaktr_mmseg.utils.configs import read_config

    cfg = read_config(args.config, args.cfg_options)
    if cfg.get('cam_stage') is not None:
        cfg = resolve_pipeline(cfg)
    report = check_data(cfg, pixels=not args.quick, workers=args.workers)
    print(json.dumps(report.to_dict(), indent=1) if args.json else report.to_text())
    return 1 if report.errors else 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
