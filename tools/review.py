"""Write a page on which a person checks the labels and masks of a run, the suspicious ones first.

One HTML file that needs no other file and no network. Photographs are ticked as drop, relabel or
trust; the page saves the ticks as review.csv (image,action,labels).

Example:
    python tools/review.py work_dirs/weaktr_demo --out review.html

Exit codes: 0 written; 2 the folder has no pseudo labels, or a file cannot be read.
"""

from __future__ import annotations

import argparse
import sys

from command_line import new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('work_dir', help='folder of a pipeline whose pseudo labels are made')
    parser.add_argument('--out', help='file to write (default: review.html in WORK_DIR)')
    parser.add_argument(
        '--predictions',
        metavar='FOLDER',
        help='masks of the same photographs by the segmentor, such as predictions/masks of '
        'infer.py, to compare with (default: WORK_DIR/masks if it is there)',
    )
    parser.add_argument(
        '--side',
        type=int,
        default=192,
        metavar='PX',
        help='longest side of the pictures (default: 192)',
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Writes the page."""
    from weaktr_mmseg.review import write_review

    done = write_review(args.work_dir, args.out, args.predictions, args.side)
    print(f'{done.images} photographs, the most suspicious first: {done.path}')
    print('Open it in a browser; what it saves, review.csv, goes beside labels.csv')
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
