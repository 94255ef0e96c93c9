"""mmseg's inferencer for the configs of this project, by path or by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.infer.infer import ModelType
from mmseg.apis import MMSegInferencer
from mmseg.registry import TRANSFORMS
from torch import nn

from ..utils.errors import WeakTrInputError
from ..utils.model_folder import model_files
from ..utils.shipped_files import find_config
from .models import build_segmentor


class WeakTrInferencer(MMSegInferencer):
    """``MMSegInferencer`` that also accepts the names and the image loader of this project.

    The stock one knows the names in the model indices of OpenMMLab's packages alone, and refuses a
    test pipeline that loads images with anything but ``LoadImageFromFile``. Here ``model`` may be
    ``'weaktr_voc'``, a config that came with the package, and files are decoded as in training if
    the pipeline begins with ``WeakTrLoadImage``. ``model`` may also be a folder that
    ``tools/publish_model.py`` has written. Everything else is as there.

    Args:
        model: Config, its path or name, or a published folder.
        weights: A checkpoint; None for a folder.
        **kwargs: See :class:`mmseg.apis.MMSegInferencer`.
    """

    def __init__(self, model: ModelType, weights: str | None = None, **kwargs: Any) -> None:
        if weights is None and isinstance(model, (str, Path)) and Path(model).is_dir():
            model, weights = map(str, model_files(model))
        super().__init__(model, weights, **kwargs)

    def _init_model(self, cfg: Config, weights: str | None, device: str = 'cpu') -> nn.Module:
        """Reads weights as all tools of this project do."""
        if weights is None:
            return super()._init_model(cfg, weights, device)
        return build_segmentor(cfg if isinstance(cfg, Config) else Config(cfg), weights, device)

    def _load_model_from_metafile(self, model: str) -> tuple[Config, None]:
        """Reads the config of that name; there are no weights to go with it.

        Raises:
            WeakTrInputError: If there is neither a file nor a config of that name.
        """
        path = find_config(model)
        if path is None:
            raise WeakTrInputError(f'model {model!r}: expected the path or the name of a config')
        return Config.fromfile(path), None

    def _init_pipeline(self, cfg: ConfigDict) -> Compose:
        first = cfg.test_dataloader.dataset.pipeline[0]
        if first.type != 'WeakTrLoadImage':
            return super()._init_pipeline(cfg)
        from_file = TRANSFORMS.build(first)
        first.type = 'LoadImageFromFile'  # what the stock one looks for
        pipeline = super()._init_pipeline(cfg)
        pipeline.transforms[0].from_file = from_file  # of mmseg's InferencerLoader
        return pipeline
