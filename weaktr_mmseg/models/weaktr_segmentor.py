"""Segmentor of the retraining stage."""

from __future__ import annotations

from typing import Any

from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS

from .checkpoint_guard import guard_layout


@MODELS.register_module()
class WeakTrSegmentor(EncoderDecoder):
    """mmseg's encoder-decoder that refuses an authors' checkpoint before its conversion.

    Args:
        **kwargs: see :class:`mmseg.models.EncoderDecoder`.

    Raises:
        ValueError: when parameters with the authors' names are loaded.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        guard_layout(self)
