"""mmseg's inferencer for configs that load images with :class:`WeakTrLoadImage`."""

from __future__ import annotations

from mmengine.config import ConfigDict
from mmseg.apis import MMSegInferencer


class WeakTrInferencer(MMSegInferencer):
    """``MMSegInferencer`` that also accepts the image loader of this project's configs.

    The stock one looks for a step ``LoadImageFromFile`` in the test pipeline to replace, and
    refuses a pipeline that begins with ``WeakTrLoadImage``. Everything else is as there.
    """

    def _get_transform_idx(self, pipeline_cfg: ConfigDict, name: str) -> int:
        index = super()._get_transform_idx(pipeline_cfg, name)
        if index == -1 and name == 'LoadImageFromFile':
            index = super()._get_transform_idx(pipeline_cfg, 'WeakTrLoadImage')
        return index
