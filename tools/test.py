"""Test a segmentor with mmsegmentation's own tools/test.py.

Examples:
    python tools/test.py configs/weaktr_demo.py work_dirs/weaktr_demo/retrain/epoch_6.pth
    python tools/test.py configs/weaktr_voc.py segmentor.pth --tta    # the published protocol

Exit codes: 0 tested; 2 a fault in config, data or checkpoint, named in one line.
"""

from __future__ import annotations

import argparse

from command_line import add_cfg_options, add_launcher, new_parser, quiet_imports


def parse_args() -> argparse.Namespace:
    """Parses the command line; mmseg's tool reads it again."""
    parser = new_parser(__doc__)
    parser.add_argument('config', help='of a pipeline or of a segmentor, or a published folder')
    parser.add_argument('checkpoint', nargs='?', help='trained weights; none for a folder')
    parser.add_argument('--work-dir', help='folder for logs and scores (default: WORK_DIR/test)')
    parser.add_argument('--out', help='folder for predictions as PNG')
    parser.add_argument('--show', action='store_true', help='show each prediction in a window')
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    parser.add_argument('--wait-time', type=float, help='seconds that --show waits')
    parser.add_argument('--tta', action='store_true', help='several scales, mirrored too')
    add_cfg_options(parser)
    add_launcher(parser)
    return parser.parse_args()


if __name__ == '__main__':
    args = parse_args()
    with quiet_imports():
        from mmseg_tool import replace_folder, run_mmseg_tool

    replace_folder(args.config, args.checkpoint)
    run_mmseg_tool('test.py', parse_args())
