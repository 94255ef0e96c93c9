"""Write masks in the format of an annotation tool: coco, yolo, labelstudio, cvat or voc.

MASKS is a folder of palette PNGs, such as pseudo_labels/masks of a run or predictions/masks of
infer.py. Each connected part of a class becomes a region; background and unknown pixels (255) are
in none. Shapes are exact bitmaps where the format has them, else polygons.

Examples:
    python tools/export_masks.py work_dirs/weaktr_demo/pseudo_labels/masks --to cvat \\
        --images data/demo/JPEGImages --out for_cvat --min-area 20
    python tools/export_masks.py predictions/masks --to yolo --images my_photos --out for_yolo \\
        --copy-images

Exit codes: 0 written; 2 wrong arguments, masks or photographs.
"""

from __future__ import annotations

import argparse
import sys

from command_line import new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('masks', help='folder of masks')
    parser.add_argument('--to', required=True, metavar='FORMAT', help='one of those above')
    parser.add_argument('--images', required=True, help='folder of the photographs')
    parser.add_argument('--out', required=True, help='folder to write to')
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME_OR_FILE',
        help='names, or classes.txt, areas.json or the config of a run (default: what lies near '
        'MASKS)',
    )
    shapes = parser.add_mutually_exclusive_group()
    shapes.add_argument('--rle', dest='shapes', action='store_const', const='rle', help='bitmaps')
    shapes.add_argument(
        '--polygons', dest='shapes', action='store_const', const='polygons', help='outlines'
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1.0,
        metavar='PX',
        help='pixels by which simplifying may move a polygon (default: 1; 0 is exact)',
    )
    parser.add_argument(
        '--min-area',
        type=int,
        default=0,
        metavar='PX',
        help='leave out connected parts with fewer pixels (default: 0)',
    )
    parser.add_argument(
        '--per-class',
        action='store_true',
        help='one region for each class of a photograph, of all its parts',
    )
    parser.add_argument(
        '--copy-images',
        action='store_true',
        help='copy the photographs to where the format looks for them',
    )
    parser.add_argument(
        '--url-prefix',
        metavar='URL',
        help='labelstudio: what stands before the names of photographs (default: that of local '
        'storage, /data/local-files/?d=)',
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Writes the annotations."""
    from weaktr_mmseg.apis import annotations

    options = annotations.ExportOptions(
        annotations.read_classes(args.classes)
        if args.classes
        else annotations.find_classes(args.masks),
        args.shapes,
        args.tolerance,
        args.url_prefix,
    )
    done = annotations.export_masks(
        args.masks,
        args.images,
        args.out,
        args.to,
        options,
        min_area=args.min_area,
        per_class=args.per_class,
        copy_images=args.copy_images,
    )
    print(f'{done.images} photographs, {done.regions} regions: {done.path}')
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
