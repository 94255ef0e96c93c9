"""Check the data and the config before training.

Example:
    python tools/check_data.py configs/weaktr_custom.py

Of a pipeline, every stage is built once, as is done before training. Where there is no error, each
then runs on a few images, to say what a run takes on this machine, and which recipe to start with.

Exit codes: 0 no error; 1 errors in the data, each printed with its file; 2 no such config, or one
that cannot be read or built, in one line after the report.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import redirect_stdout
from typing import Any

from command_line import add_cfg_options, new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('config', help='config of a stage or of the pipeline')
    parser.add_argument(
        '--quick', action='store_true', help='neither open images and masks nor time a run'
    )
    parser.add_argument('--json', action='store_true', help='print the report as JSON')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    add_cfg_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Checks and prints the report."""
    with redirect_stdout(sys.stderr):  # what the frameworks log is no part of the report
        report, fault = check(args)
    if not args.json:
        print(report.tables(), flush=True)
    advice = None
    if not (args.quick or fault or report.errors):
        with redirect_stdout(sys.stderr):
            advice = time_recipes(args)
    if args.json:
        print(json.dumps(dict(report.to_dict(), estimate=advice and advice.to_dict()), indent=1))
    else:
        print(*filter(None, [advice and f'{advice.to_text()}\n', report.findings()]), sep='\n')
    if fault:
        raise fault
    return 1 if report.errors else 0


def time_recipes(args: argparse.Namespace) -> Any:
    """What a run will take; None for a single stage, or where timing failed, which is said."""
    from weaktr_mmseg.pipeline.recipe_advice import advise
    from weaktr_mmseg.utils.configs import read_config

    cfg = read_config(args.config, args.cfg_options)
    if 'runner_type' not in cfg:
        return None
    print('Timing a few images ...', file=sys.stderr, flush=True)
    try:
        return advise(cfg)
    except Exception as error:  # whatever it is, the check has its result
        print(f'No estimate: {type(error).__name__}: {error}', file=sys.stderr)
        return None


def check(args: argparse.Namespace) -> tuple[Any, Exception | None]:
    """Checks data and config.

    Returns:
        The report on the data, and what is wrong with the config of a pipeline besides.
    """
    from weaktr_mmseg.data_check import check_data
    from weaktr_mmseg.datasets.listing_cache import listed_once
    from weaktr_mmseg.engine.quiet_runner import quiet_warnings
    from weaktr_mmseg.pipeline.preflight import check_pipeline
    from weaktr_mmseg.pipeline.stage import chosen_stages
    from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline
    from weaktr_mmseg.utils.configs import read_config
    from weaktr_mmseg.utils.errors import WeakTrInputError

    with listed_once(), quiet_warnings():
        cfg = read_config(args.config, args.cfg_options)
        if cfg.get('cam_stage') is not None:
            cfg = resolve_pipeline(cfg)
        report = check_data(cfg, pixels=not args.quick, workers=args.workers)
        if 'runner_type' not in cfg or 'data set' in {problem.check for problem in report.errors}:
            return report, None
        try:
            check_pipeline(cfg, chosen_stages(cfg.pipeline))
        except WeakTrInputError as error:
            if args.json:
                report.error('config', args.config, error)
            return report, error
    return report, None


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
