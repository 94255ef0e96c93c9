"""Turn corrected annotations into masks: COCO instances (.json) or CVAT for images (.xml).

The archive (.zip) that CVAT exports can be given as it is. Pixels in no shape are background; a
shape labelled "ignore" is left out (255). Photographs without any shape get no mask, because nobody
may have looked at them, unless --keep-empty says that they show nothing.

Example:
    python tools/import_masks.py annotations.xml --classes data/custom/classes.txt \\
        --images data/custom/images --out data/custom/trusted

Exit codes: 0 written; 2 wrong arguments or annotations.
"""

from __future__ import annotations

import argparse
import sys

from command_line import new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('annotations', help='file of the annotation tool')
    parser.add_argument(
        '--classes',
        nargs='+',
        required=True,
        metavar='NAME_OR_FILE',
        help='names in the order of their labels, or classes.txt, areas.json or the config of a '
        'run',
    )
    parser.add_argument('--out', required=True, help='folder for the masks')
    parser.add_argument('--images', help='folder of the photographs, to check names and sizes')
    parser.add_argument(
        '--keep-empty', action='store_true', help='write the masks of photographs without shapes'
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Writes the masks."""
    from weaktr_mmseg.apis.annotations import import_masks, read_classes

    classes = read_classes(args.classes)
    done = import_masks(args.annotations, args.out, classes, args.images, args.keep_empty)
    print(f'{len(done.masks)} masks in {args.out}')
    if done.without_shapes:
        print(f'{len(done.without_shapes)} photographs without shapes have none')
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
