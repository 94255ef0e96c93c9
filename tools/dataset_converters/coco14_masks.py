"""Write COCO 2014 masks with contiguous class ids 0..80 (needs pycocotools, for scoring only).

Exit codes: 0 written; 2 an input is wrong or pycocotools is missing.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # command_line lies beside the other tools
from command_line import new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('data_root', help='folder with annotations/instances_{train,val}2014.json')
    parser.add_argument('--splits', nargs='+', default=['train', 'val'], choices=['train', 'val'])
    parser.add_argument('--out', help='folder for the masks (default: DATA_ROOT/masks)')
    parser.add_argument(
        '--from-91',
        metavar='FOLDER',
        help='convert this folder of masks with ids up to 90 instead; needs --out',
    )
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if args.from_91 and not args.out:
        parser.error('--from-91 needs --out')
    return args


def main(args: argparse.Namespace) -> int:
    """Writes the masks."""
    from weaktr_mmseg.datasets.coco14_masks import convert_folder, write_masks_of_split

    root = Path(args.data_root)
    out = Path(args.out) if args.out else root / 'masks'
    try:
        if args.from_91:
            print(f'{convert_folder(args.from_91, str(out), args.workers)} masks in {out}')
            return 0
        for split in args.splits:
            annotations = root / 'annotations' / f'instances_{split}2014.json'
            folder = out / f'{split}2014'
            count = write_masks_of_split(str(annotations), str(folder), args.workers)
            print(f'{count} masks in {folder}')
    except ImportError as error:
        raise ValueError(f"{error}; pip install 'weaktr_mmseg[export]'") from error
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
