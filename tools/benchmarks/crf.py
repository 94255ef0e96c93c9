"""Times the DenseCRF on photographs, beside pydensecrf where that is installed.

    python tools/benchmarks/crf.py --labels 3 21 --size 375 500 --repeat 3

The two run in turn on the same image, on one thread, from the image and the unary to the
probabilities. The time of a photograph is its median over the repeats; a line gives the median over
photographs and, in brackets, the fastest and the slowest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from weaktr_mmseg.crf import tune_allocator
from weaktr_mmseg.crf.dense_crf import PRESETS, BilateralTerm, DenseCRF
from weaktr_mmseg.crf.unary import unary_from_labels

PHOTOGRAPHS = 'astronaut chelsea coffee rocket immunohistochemistry retina hubble_deep_field'


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--labels', type=int, nargs='+', default=[3, 21])
    parser.add_argument('--size', type=int, nargs=2, default=[375, 500], metavar=('H', 'W'))
    parser.add_argument('--repeat', type=int, default=3)
    parser.add_argument('--preset', choices=sorted(PRESETS), default='voc_cam')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--batch', type=int, default=1, help='copies of the image in one call')
    return parser.parse_args()


def load_photographs(size: tuple[int, int]) -> list[np.ndarray]:
    """The photographs that come with scikit-image, resized to uint8 (H, W, 3)."""
    from skimage import data

    images = []
    for name in PHOTOGRAPHS.split():
        image = torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1)[None].float()
        image = F.interpolate(image, size, mode='bilinear', antialias=True)[0]
        images.append(np.ascontiguousarray(image.permute(1, 2, 0).round().byte()))
    return images


def coarse_labels(labels: int, size: tuple[int, int]) -> np.ndarray:
    """A label map of random blobs, int64 (H, W)."""
    scores = torch.rand(1, labels, 8, 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(scores, size, mode='bilinear')[0].argmax(0).numpy()


def with_pydensecrf(image: np.ndarray, unary: np.ndarray, preset: str) -> np.ndarray:
    """Inference of pydensecrf with the same terms."""
    from pydensecrf.densecrf import DenseCRF2D

    labels, height, width = unary.shape
    crf = DenseCRF2D(width, height, labels)
    crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(labels, -1)))
    for term in PRESETS[preset]:
        if isinstance(term, BilateralTerm):
            crf.addPairwiseBilateral(sxy=term.sxy, srgb=term.srgb, rgbim=image, compat=term.compat)
        else:
            crf.addPairwiseGaussian(sxy=term.sxy, compat=term.compat)
    return np.array(crf.inference(10)).reshape(unary.shape)


def seconds(run: Callable[[], object], device: str) -> float:
    """Duration of a call; of one on a CPU the processor time, which other load disturbs less."""
    clock = time.process_time if device == 'cpu' else time.perf_counter
    start = clock()
    run()
    if device != 'cpu':
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    """Runs the command line."""
    args = parse_args()
    torch.set_num_threads(1)
    tune_allocator()  # as the tools do
    crf = DenseCRF.from_preset(args.preset)
    try:
        import pydensecrf.densecrf  # noqa: F401

        compare = True
    except ImportError:
        compare = False
    photographs = load_photographs(tuple(args.size))
    for labels in args.labels:
        unary = unary_from_labels(coarse_labels(labels, tuple(args.size)), labels)
        ours, theirs = [], []
        for image in photographs:
            images = [torch.from_numpy(image).to(args.device)] * args.batch
            unaries = [torch.from_numpy(unary).to(args.device)] * args.batch
            crf.batch(images, unaries)
            own_run = partial(crf.batch, images, unaries)
            other_run = partial(with_pydensecrf, image, unary, args.preset) if compare else int
            pairs = [
                (seconds(own_run, args.device) / args.batch, seconds(other_run, 'cpu'))
                for _ in range(args.repeat)
            ]
            own, other = np.median(pairs, axis=0)
            ours.append(own)
            theirs.append(other)
        report(labels, np.array(ours), np.array(theirs) if compare else None)


def report(labels: int, ours: np.ndarray, theirs: np.ndarray | None) -> None:
    """Prints times and the agreement of both implementations."""

    def spread(values: np.ndarray, form: str) -> str:
        return ' '.join(
            (format(np.median(values), form), f'[{values.min():{form}}, {values.max():{form}}]')
        )

    line = f'{labels} labels: {spread(1000 * ours, ".1f")} ms an image'
    if theirs is not None:
        line += f', pydensecrf {spread(1000 * theirs, ".1f")} ms'
        line += f', ratio {spread(theirs / ours, ".2f")}'
    print(line, flush=True)


if __name__ == '__main__':
    main()
