"""Write the report of a finished pipeline: one HTML file that needs no other file and no network.

A pipeline writes it at its end; this writes it again, or elsewhere.

Example:
    python tools/report.py work_dirs/weaktr_demo --out demo_report.html

Exit codes: 0 written; 2 the folder holds no finished run.
"""

from __future__ import annotations

import argparse
import sys

from command_line import new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('work_dir', help='folder of a finished pipeline, with summary.json')
    parser.add_argument('--out', help='file to write (default: report.html in WORK_DIR)')
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Writes the report."""
    from weaktr_mmseg.report import write_report

    print(write_report(args.work_dir, args.out))
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
