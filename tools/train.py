"""Train a whole pipeline, or one of its stages, with mmsegmentation's own tools/train.py.

Examples:
    python tools/train.py configs/weaktr_demo.py
    python tools/train.py configs/weaktr_demo.py --resume
    python tools/train.py configs/weaktr_demo_cam.py --cfg-options train_cfg.max_epochs=30
    tools/dist_train.sh configs/weaktr_voc.py 4

Exit codes: 0 finished; 2 a fault in config or data, named in one line before training; 128 + N
after signal N, with everything saved that --resume needs.
"""

from __future__ import annotations

import argparse

from command_line import add_cfg_options, add_launcher, new_parser, quiet_imports


def parse_args() -> argparse.Namespace:
    """Parses the command line; mmseg's tool reads it again."""
    parser = new_parser(__doc__)
    parser.add_argument('config', help='config of a pipeline or of a stage')
    parser.add_argument('--work-dir', help='folder for everything that is written')
    parser.add_argument(
        '--resume', action='store_true', help='continue an interrupted run of the same folder'
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision in the stage of the config itself'
    )
    add_cfg_options(parser)
    add_launcher(parser)
    return parser.parse_args()


if __name__ == '__main__':
    arguments = parse_args()
    with quiet_imports():
        from mmseg_tool import run_mmseg_tool

    run_mmseg_tool('train.py', arguments)
