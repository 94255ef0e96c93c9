"""Convert a published checkpoint for this project, or one of this project for the authors' code.

Example:
    python tools/convert_checkpoint.py deit_small_patch16_224-cd65a155.pth \\
        checkpoints/deit-s_voc_cam.pth --cam-classes 20

Exit codes: 0 converted; 2 the source cannot be read or its layout is unknown.
"""

from __future__ import annotations

import argparse
import sys

from weaktr_mmseg.checkpoints import convert_checkpoint


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', help="the authors' or our checkpoint, an ImageNet encoder")
    parser.add_argument('target', help='the file to write')
    parser.add_argument(
        '--cam-classes',
        type=int,
        metavar='C',
        help='start the CAM stage with C classes from an ImageNet ViT (VOC: 20, COCO: 80); '
        'without it an encoder is converted for the segmentation stage',
    )
    arguments = parser.parse_args()
    try:
        layout = convert_checkpoint(arguments.source, arguments.target, arguments.cam_classes)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'{arguments.source} is {layout.value}; converted to {arguments.target}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
