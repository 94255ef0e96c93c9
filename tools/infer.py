"""Segment images with a trained segmentor.

Writes, below --out-dir, masks/NAME.png (palette PNG, 0 is the background), overlays/NAME.jpg and
areas.json (share of each class in each image). Any size and file type that Pillow reads: gray,
RGBA, 16-bit, rotated by EXIF. A folder is searched with its sub-folders.

Example:
    python tools/infer.py my_photos --config configs/weaktr_demo.py \\
        --checkpoint work_dirs/weaktr_demo/retrain/epoch_6.pth --out-dir predictions

Exit codes: 0 all segmented; 1 some images could not be read (named on stderr and in areas.json,
the others are segmented); 2 wrong config, checkpoint or arguments.
"""

from __future__ import annotations

import argparse
import sys

from command_line import add_refine, new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('images', nargs='+', metavar='IMAGE_OR_FOLDER')
    parser.add_argument('--model', metavar='FOLDER', help='written by tools/publish_model.py; or:')
    parser.add_argument('--config', help='of a pipeline or of a retraining')
    parser.add_argument('--checkpoint', help='weights of the segmentor')
    parser.add_argument('--out-dir', default='predictions', help='default: predictions')
    add_refine(parser, 'DenseCRF preset=voc_seg')
    parser.add_argument(
        '--labels',
        metavar='TABLE',
        help='table of what the photographs show, as for training (.csv or .json): each gets masks '
        'of its classes alone; photographs that it does not have are segmented without',
    )
    parser.add_argument(
        '--short-side',
        type=int,
        metavar='PX',
        help='short side at which the network sees an image (default: as the test pipeline says, '
        'or the training size if that neither resizes nor slides)',
    )
    parser.add_argument('--device', default='cpu', help="'cpu' (default), 'cuda', 'cuda:1', ...")
    args = parser.parse_args()
    if (args.model is None) == (args.config is None or args.checkpoint is None):
        parser.error('expected either --model, or --config and --checkpoint')
    return args


def main(args: argparse.Namespace) -> int:
    """Segments the images."""
    from weaktr_mmseg.apis.models import check_device, init_model
    from weaktr_mmseg.apis.photo_labels import PhotoLabels
    from weaktr_mmseg.apis.segment import PhotoSegmentor
    from weaktr_mmseg.apis.segment_files import segment_files
    from weaktr_mmseg.refinement import parse_refine

    device = check_device(args.device)
    model = init_model(args.model or args.config, args.checkpoint, device)
    refine = parse_refine(args.refine, dict(type='DenseCRF', preset='voc_seg'))
    segmentor = PhotoSegmentor(model, refine, args.short_side)
    labels = None if args.labels is None else PhotoLabels(args.labels)
    content = segment_files(segmentor, args.images, args.out_dir, labels)
    if labels is not None:
        known = sum(entry['labels'] is not None for entry in content['images'])
        print(f'{args.labels} has labels of {known} of {len(content["images"])} photographs')
    for failure in content['failed']:
        print(f'error: {failure["error"]}', file=sys.stderr)
    for entry in content['images'][:20]:
        shares = ', '.join(f'{name} {100 * share:.1f} %' for name, share in entry['areas'].items())
        print(f'{entry["file"]}: {shares}')
    if len(content['images']) > 20:
        print(f'... and {len(content["images"]) - 20} more in areas.json')
    print(f'results are in {args.out_dir}')
    return 1 if content['failed'] else 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
