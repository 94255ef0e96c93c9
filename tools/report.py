"""Write the report of a finished pipeline: one HTML file that needs no other file and no network.

A pipeline writes it at its end; this writes it again, or elsewhere.

Example:
    python tools/report.py work_dirs/weaktr_demo --out demo_report.html

Exit codes: 0 written; 2 the folder holds no finished run.
"""

from __future__ import annotations

import argparse
import sys

from weaktr_mmseg.report import write_report
from weaktr_mmseg.utils.errors import WeakTrInputError


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dir', help='folder of a finished pipeline, with summary.json')
    parser.add_argument('--out', help='file to write (default: report.html in WORK_DIR)')
    args = parser.parse_args()
    try:
        path = write_report(args.work_dir, args.out)
    except (WeakTrInputError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
