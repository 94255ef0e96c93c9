"""Make pseudo labels with a trained CAM network: activation maps, then masks.

Files that an interrupted run left in the output folder are kept if they are whole and were made
from the same checkpoint, config and rule; the result is that of an uninterrupted run. Exit code 0:
all labels are written; 2: a fault in config, data or checkpoint, named in one line.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.config import Config, DictAction

from weaktr_mmseg.crf.dense_crf import PRESETS
from weaktr_mmseg.engine.distributed import init_cpu_process_group
from weaktr_mmseg.evaluation.cam_metric import OTSU
from weaktr_mmseg.pipeline.pseudo_label_stage import RECORD_FILE, generate_pseudo_labels
from weaktr_mmseg.pipeline.stage_configs import check_label_options
from weaktr_mmseg.pipeline.standalone_labels import standalone_config
from weaktr_mmseg.utils.configs import read_config
from weaktr_mmseg.utils.errors import WeakTrInputError, input_errors

EXAMPLE = """examples:
  python tools/generate_pseudo_labels.py configs/weaktr_voc.py work_dirs/weaktr_voc/cam/epoch_60.pth
      --out labels
  torchrun --nproc-per-node 4 tools/generate_pseudo_labels.py configs/weaktr_voc_cam.py cam.pth
      --out labels --split ImageSets/Segmentation/trainaug.txt --threshold 0.43 --launcher pytorch
"""


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a pipeline or of a CAM stage')
    parser.add_argument('checkpoint', help='trained network of the CAM stage')
    parser.add_argument('--out', required=True, help='folder for cams/, masks/ and the scores')
    parser.add_argument('--split', help='split file, COCO: train or val; default: of the config')
    parser.add_argument(
        '--threshold',
        type=lambda text: text if text == OTSU else float(text),
        help=f"background score in [0, 1], or '{OTSU}' to choose it from the maps alone",
    )
    crf = parser.add_mutually_exclusive_group()
    crf.add_argument('--crf', choices=sorted(PRESETS), help='CRF that refines the masks')
    crf.add_argument('--no-crf', action='store_true', help='masks as thresholding gives them')
    parser.add_argument('--ignore-band', type=float, help='scores this close to the threshold: 255')
    parser.add_argument(
        '--workers', type=int, help='processes that read, and write masks, per rank'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='as in tools/train.py')
    return parser.parse_args()


def load_config(args: argparse.Namespace) -> Config:
    """Reads the config with the options of the command line."""
    cfg = read_config(args.config)
    cfg.launcher = args.launcher
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    cfg = standalone_config(cfg, args.out, args.split)
    options = dict(
        threshold=args.threshold,
        crf=args.crf,
        ignore_band=args.ignore_band,
        workers=args.workers,
    )
    cfg.pseudo_labels.update({key: value for key, value in options.items() if value is not None})
    if args.no_crf:
        cfg.pseudo_labels.crf = None
        cfg.pseudo_labels.ignore_disagreement = False
    check_label_options(cfg.pseudo_labels)
    return cfg


def main() -> int:
    """Run the command line."""
    args = parse_args()
    try:
        with input_errors():
            if not Path(args.checkpoint).is_file():
                raise FileNotFoundError(f'{args.checkpoint}: no such checkpoint')
            init_cpu_process_group(args.launcher)
            labels = generate_pseudo_labels(load_config(args), args.checkpoint, args.out)
    except WeakTrInputError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(
        f'{args.out}: masks at threshold {labels.threshold} ({labels.chosen_by}), details in '
        f'{Path(args.out) / RECORD_FILE}'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
