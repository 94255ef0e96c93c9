"""Benchmarks: time and memory of this project beside a plain way of doing the same.

    python tools/benchmarks/run.py --suite quick
    python tools/benchmarks/run.py --suite full --json benchmarks.json --markdown docs/table.md
    python tools/benchmarks/run.py --only cam_infer_640 stage2_step_480

Both sides of a case live in processes of their own and are called in turn; a time is the median.
Memory is the peak of two calls beyond models and inputs, in MB of 10^6 bytes. `demo` belongs to the
full suite only; `step_*`, training steps of base-size encoders, run when they are named. Exit code
0, or 2 for a bad argument.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from suite import CASES, FURTHER_CASES
from suite.demo import run_demo
from suite.machine import describe, floors, matmul_rate
from suite.measure import measure
from suite.report import table, write_json

PAIRS = dict(quick=(3, 12.0), full=(11, 45.0))  # timed pairs at most, seconds for them


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    names = [*(case.name for case in (*CASES, *FURTHER_CASES)), 'demo']
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--suite', choices=PAIRS, default='quick', help='default: quick')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu', help='default: cpu')
    parser.add_argument('--only', nargs='+', choices=names, metavar='CASE', help='run these cases')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='write machine and table')
    args = parser.parse_args()
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: no GPU is available')
    for path in (args.json, args.markdown):
        if path is not None and not path.parent.is_dir():
            parser.error(f'{path}: expected a file in a folder that exists')
    return args


def main() -> int:
    """Runs the command line."""
    args = parse_args()
    device = torch.device(args.device)
    rate = matmul_rate(device)
    heading = f'{describe(device)}; float32 matrix product {rate / 1e9:.0f} GFLOP/s.'
    print(heading, flush=True)
    results = []
    for case in (*CASES, *FURTHER_CASES):
        if case.name in args.only if args.only else case in CASES:
            results.append(measure(case, device, *PAIRS[args.suite]))
            print(f'{case.name}: {results[-1].seconds:.3f} s', flush=True)
    if 'demo' in args.only if args.only else args.suite == 'full':
        results.append(run_demo())
    text = table(results, floors(rate))
    print(text)
    if args.json is not None:
        write_json(args.json, results)
    if args.markdown is not None:
        command = ' '.join(['python', *sys.argv])
        args.markdown.write_text(f'`{command}`\n\n{heading}\n\n{text}\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
