"""Images as they were before they were normalised."""

from __future__ import annotations

from torch import Tensor, nn


def pixels_of(inputs: Tensor, data_preprocessor: nn.Module) -> Tensor:
    """Undoes the normalisation of a data preprocessor, if it does any.

    Args:
        inputs: Normalised images, float (B, 3, H, W).
        data_preprocessor: mmengine's, or one with its ``mean`` and ``std``.

    Returns:
        Gray levels, float (B, 3, H, W), in [0, 255] but for rounding.
    """
    if getattr(data_preprocessor, '_enable_normalize', False):
        return inputs * data_preprocessor.std + data_preprocessor.mean
    return inputs
