"""Write a folder with a trained segmentor: model.safetensors, config.py and a model card.

The card has the scores of summary.json, the classes and the licence. tools/infer.py --model,
tools/test.py, init_model and WeakTrInferencer take the folder in place of config and checkpoint.

Example:
    python tools/publish_model.py configs/weaktr_demo.py \\
        work_dirs/weaktr_demo/retrain/epoch_6.pth my_model --license cc-by-4.0

Exit codes: 0 written; 2 a fault in config, checkpoint or arguments, or the upload was refused.
"""

from __future__ import annotations

import argparse
import sys

from command_line import add_cfg_options, new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('config', help='of a pipeline or of a retraining')
    parser.add_argument('checkpoint', help='weights of the segmentor')
    parser.add_argument('out', help='the folder to write')
    parser.add_argument('--license', default='unknown', help='of the weights, as of SPDX')
    parser.add_argument('--summary', metavar='FILE', help="default: the run's summary.json")
    parser.add_argument(
        '--push-to-hub', metavar='OWNER/NAME', help='upload to the Hugging Face Hub, too'
    )
    add_cfg_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Writes the folder and uploads it if asked to."""
    from weaktr_mmseg.apis.publish import publish_model, push_to_hub
    from weaktr_mmseg.utils.configs import read_config

    cfg = read_config(args.config, args.cfg_options)
    folder = publish_model(cfg, args.checkpoint, args.out, args.license, args.summary)
    print(f'written: {folder}; read its README.md before you share it')
    if args.push_to_hub:
        print(f'uploaded: {push_to_hub(folder, args.push_to_hub)}')
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
