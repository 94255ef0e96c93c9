"""Convert a published checkpoint for this project, or one of this project for the authors' code.

Example:
    python tools/convert_checkpoint.py deit_small_patch16_224-cd65a155.pth \\
        checkpoints/deit-s_voc_cam.pth --cam-classes 20

Exit codes: 0 converted; 2 the source cannot be read or its layout is unknown.
"""

from __future__ import annotations

import argparse
import sys

from command_line import new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('source', help="the authors' or our checkpoint, an ImageNet encoder")
    parser.add_argument('target', help='the file to write')
    parser.add_argument(
        '--cam-classes',
        type=int,
        metavar='C',
        help='start the CAM stage with C classes from an ImageNet ViT (VOC: 20, COCO: 80); '
        'without it an encoder is converted for the segmentation stage',
    )
    parser.add_argument(
        '--keep-coco-rows',
        action='store_true',
        help="keep all 90 or 91 classes of the authors' COCO networks, for heads with "
        'original_coco_ids=True (exactly their outputs)',
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Converts."""
    from weaktr_mmseg.checkpoints import convert_checkpoint

    layout = convert_checkpoint(args.source, args.target, args.cam_classes, args.keep_coco_rows)
    print(f'{args.source} is {layout.value}; converted to {args.target}')
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
