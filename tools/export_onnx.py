"""Export the final segmentor to ONNX and check it against PyTorch in onnxruntime.

Example:
  python tools/export_onnx.py configs/weaktr_demo.py \\
      work_dirs/weaktr_demo/retrain/epoch_6.pth --out weaktr_demo.onnx

The file takes RGB images, uint8 (batch, height, width, 3), of any batch and size, and gives logits,
float32 (batch, classes, height, width). Class names and palette are in its metadata.

Exit code: 0 exported and equal, 1 the two differ, 2 an input is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from command_line import add_cfg_options, new_parser, run


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = new_parser(__doc__)
    parser.add_argument('config', help='config of the pipeline or of retraining')
    parser.add_argument('checkpoint', help='checkpoint of the final segmentor')
    parser.add_argument('--out', type=Path, required=True, help='ONNX file to write')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        action='append',
        default=[],
        metavar=('H', 'W'),
        help='image size to check beside the usual ones; can be repeated',
    )
    parser.add_argument('--opset', type=int, default=17, help='ONNX operators (default: 17)')
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1e-3,
        help='largest difference of a logit that counts as equal (default: 0.001)',
    )
    add_cfg_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Exports and compares."""
    from weaktr_mmseg.utils.configs import read_config

    try:
        from weaktr_mmseg.apis.onnx import export_segmentor
    except ImportError as error:
        raise ValueError(f"{error}; pip install 'weaktr_mmseg[onnx]'") from error
    cfg = read_config(args.config, args.cfg_options)
    comparisons = export_segmentor(cfg, args.checkpoint, args.out, args.opset, args.size)
    print(f'{args.out}: {args.out.stat().st_size / 2**20:.1f} MiB, opset {args.opset}')
    print('batch x height x width   largest difference   same class')
    for shape, difference, agreement in comparisons:
        size = ' x '.join(map(str, shape))
        print(f'{size:24} {difference:18.2e}   {agreement:10.4%}')
    if max(item.max_difference for item in comparisons) > args.tolerance:
        print(f'error: {args.out} differs by more than {args.tolerance}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(run(main, parse_args()))
