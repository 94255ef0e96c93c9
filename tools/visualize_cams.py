"""Draw what the CAM stage makes of images: coarse and fused maps of every class, the pseudo label,
the ground truth if there is one, the learned weight of every attention head, and where the most
and the least weighted heads look.

Writes NAME_cams.png and NAME_heads.png for each image. The classes of an image are those given by
--labels, else those of the config's data set if the image belongs to it, else predicted.

Example:
    python tools/visualize_cams.py configs/weaktr_demo.py work_dirs/weaktr_demo/cam/epoch_14.pth \\
        data/demo/JPEGImages/val_00000.jpg --out-dir pictures

Exit codes: 0 all drawn; 1 some images could not be read (named on stderr, the others are drawn);
2 wrong config, checkpoint or arguments.
"""

from __future__ import annotations

import argparse
import sys

from command_line import add_refine, new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('config', help='config of a pipeline or of a CAM stage')
    parser.add_argument('checkpoint', help='weights of the CAM stage')
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='images or folders of images')
    parser.add_argument('--out-dir', default='cam_pictures', help='default: cam_pictures')
    parser.add_argument('--labels', nargs='+', metavar='CLASS', help='classes in all the images')
    parser.add_argument('--masks', metavar='DIR', help='folder of masks, NAME.png, to show')
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.5,
        help='predict the classes above this probability (default: 0.5)',
    )
    parser.add_argument(
        '--threshold',
        type=float,
        help='background score of the pseudo label (default: that of the config or of the run)',
    )
    add_refine(parser, 'DenseCRF preset=voc_cam')
    parser.add_argument(
        '--short-side',
        type=int,
        metavar='PX',
        help="shrink images whose short side is longer (default: 3 x the training's)",
    )
    parser.add_argument('--device', default='cpu', help="'cpu' (default), 'cuda', 'cuda:1', ...")
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Draws the pictures."""
    from weaktr_mmseg.apis.models import check_device
    from weaktr_mmseg.refinement import parse_refine
    from weaktr_mmseg.utils.configs import read_config
    from weaktr_mmseg.visualization.visualize_cams import CAMPictureOptions, visualize_cams

    options = CAMPictureOptions(
        args.labels,
        args.masks,
        args.score_thr,
        args.threshold,
        args.short_side,
        parse_refine(args.refine, dict(type='DenseCRF', preset='voc_cam')),
    )
    faults = visualize_cams(
        read_config(args.config),
        args.checkpoint,
        args.images,
        args.out_dir,
        options,
        check_device(args.device),
    )
    for fault in faults:
        print(f'error: {fault}', file=sys.stderr)
    print(f'figures are in {args.out_dir}')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
