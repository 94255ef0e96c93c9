"""Make pseudo labels with a trained CAM network: activation maps, then masks.

Files that an interrupted run left in the output folder are kept if they are whole and were made
from the same checkpoint, config and rule; the result is that of an uninterrupted run. Exit code 0:
all labels are written; 2: a fault in config, data or checkpoint, named in one line.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from command_line import add_cfg_options, add_launcher, add_refine, new_parser, run

EXAMPLE = """examples:
  python tools/generate_pseudo_labels.py configs/weaktr_voc.py work_dirs/weaktr_voc/cam/epoch_60.pth
      --out labels
  torchrun --nproc-per-node 4 tools/generate_pseudo_labels.py configs/weaktr_voc_cam.py cam.pth
      --out labels --split ImageSets/Segmentation/trainaug.txt --threshold 0.43 --launcher pytorch
"""


def number_or_name(text: str) -> float | str:
    """A threshold as the config takes it."""
    try:
        return float(text)
    except ValueError:
        return text


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__, EXAMPLE)
    parser.add_argument('config', help='config of a pipeline or of a CAM stage')
    parser.add_argument('checkpoint', help='trained network of the CAM stage')
    parser.add_argument('--out', required=True, help='folder for cams/, masks/ and the scores')
    parser.add_argument('--split', help='split file, COCO: train or val; default: of the config')
    parser.add_argument(
        '--threshold',
        type=number_or_name,
        help='background score in [0, 1], or auto, otsu, otsu_sqrt: chosen from the maps alone',
    )
    add_refine(parser, 'DenseCRF preset=voc_cam')
    parser.add_argument(
        '--trusted-masks', metavar='DIR', help='masks that replace the pseudo labels, NAME.png'
    )
    parser.add_argument('--ignore-band', type=float, help='scores this close to the threshold: 255')
    parser.add_argument(
        '--workers', type=int, help='processes that read, and write masks, per rank'
    )
    add_launcher(parser)
    add_cfg_options(parser)
    return parser.parse_args()


def load_config(args: argparse.Namespace) -> Any:
    """Reads the config with the options of the command line."""
    from weaktr_mmseg.pipeline.options import check_label_options
    from weaktr_mmseg.pipeline.standalone_labels import DEFAULTS, standalone_config
    from weaktr_mmseg.refinement import OF_CONFIG, parse_refine
    from weaktr_mmseg.utils.configs import read_config

    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg = standalone_config(cfg, args.out, args.split)
    options = dict(
        threshold=args.threshold,
        trusted_masks=args.trusted_masks,
        ignore_band=args.ignore_band,
        workers=args.workers,
    )
    cfg.pseudo_labels.update({key: value for key, value in options.items() if value is not None})
    refine = parse_refine(args.refine, DEFAULTS['refine'])
    if refine != OF_CONFIG:
        cfg.pseudo_labels.refine = refine
        cfg.pseudo_labels.setdefault('ignore_disagreement', False)
        cfg.pseudo_labels.ignore_disagreement &= refine is not None
    check_label_options(cfg.pseudo_labels)
    return cfg


def main(args: argparse.Namespace) -> int:
    """Makes the labels."""
    from weaktr_mmseg.engine.distributed import init_cpu_process_group
    from weaktr_mmseg.pipeline.pseudo_label_stage import RECORD_FILE, generate_pseudo_labels

    if not Path(args.checkpoint).is_file():
        raise FileNotFoundError(f'{args.checkpoint}: no such checkpoint')
    init_cpu_process_group(args.launcher)
    labels = generate_pseudo_labels(load_config(args), args.checkpoint, args.out)
    print(
        f'{args.out}: masks at threshold {labels.threshold} ({labels.chosen_by}), details in '
        f'{Path(args.out) / RECORD_FILE}'
    )
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
