"""The segmentor from photograph to logits, in a form that can be traced at any size."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from mmseg.models import EncoderDecoder
from torch import Tensor, nn

from ...utils.errors import WeakTrInputError


class OnnxSegmentor(nn.Module):
    """Normalisation, padding, network and upsampling as one module.

    Equal to the whole-image mode of the segmentor, for images of any size: everything that
    mmseg and mmpretrain compute from sizes with Python numbers, which tracing would freeze, is
    done with traced sizes here. The position grid is resized inside the graph provided that it is
    traced at another grid than the trained one, see :meth:`example`.

    Args:
        segmentor: Trained segmentor with a patch-based encoder; it is copied.

    Raises:
        WeakTrInputError: If the segmentor has no patch embedding or needs several stages.
    """

    def __init__(self, segmentor: EncoderDecoder) -> None:
        super().__init__()
        embedding = getattr(segmentor.backbone, 'patch_embed', None)
        if embedding is None or isinstance(segmentor.decode_head, nn.ModuleList):
            raise WeakTrInputError(
                'expected a segmentor with a vision transformer and one decode head, got '
                f'{type(segmentor.backbone).__name__}'
            )
        self.segmentor = copy.deepcopy(segmentor).eval()
        self.patch = int(embedding.projection.stride[0])
        self.trained_grid = tuple(segmentor.backbone.patch_resolution)
        preprocessor = segmentor.data_preprocessor
        self.rgb = _network_sees_rgb(preprocessor)
        self.register_buffer('mean', preprocessor.mean.detach().clone().view(1, 3, 1, 1))
        self.register_buffer('std', preprocessor.std.detach().clone().view(1, 3, 1, 1))

    def example(self) -> Tensor:
        """Image to trace with: small, and on a grid that is not the trained one.

        Returns:
            uint8 (2, H, W, 3).
        """
        grid = (3, 5) if self.trained_grid != (3, 5) else (4, 6)
        size = [side * self.patch for side in grid]
        return torch.zeros((2, *size, 3), dtype=torch.uint8)

    def forward(self, image: Tensor) -> Tensor:
        """Computes the logits of every pixel.

        Args:
            image: RGB, uint8 (B, H, W, 3).

        Returns:
            Logits, float32 (B, K, H, W).
        """
        pixels = image.permute(0, 3, 1, 2).float()  # (B, 3, H, W)
        if not self.rgb:
            pixels = pixels.flip(1)
        pixels = (pixels - self.mean) / self.std
        height, width = pixels.shape[-2:]
        pixels = F.pad(pixels, (0, -width % self.patch, 0, -height % self.patch))
        head = self.segmentor.decode_head
        logits = head(self.segmentor.extract_feat(pixels))  # (B, K, h, w)
        crops = getattr(head, 'patch_size', None) is not None
        size = pixels.shape[-2:] if crops else (height, width)
        logits = F.interpolate(logits, size, mode='bilinear', align_corners=head.align_corners)
        return logits[:, :, :height, :width]


def _network_sees_rgb(preprocessor: nn.Module) -> bool:
    """Whether the data preprocessor turns BGR, which mmseg reads, into RGB."""
    red = torch.zeros(3, 1, 1)
    red[2] = 255  # BGR
    (seen,) = preprocessor(dict(inputs=[red]))['inputs']
    first = seen[0].item() * preprocessor.std[0].item() + preprocessor.mean[0].item()
    return first > 127
