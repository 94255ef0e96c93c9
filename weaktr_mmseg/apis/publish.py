"""A trained segmentor as a folder that others can use: weights, config and model card."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..checkpoints.io import save_safetensors
from ..utils.configs import complete_cam_stage
from ..utils.errors import WeakTrInputError
from ..utils.files import atomic_path, write_text
from ..utils.model_folder import CARD, CONFIG, WEIGHTS
from ..utils.optional import import_optional
from ..version import __version__
from .models import build_segmentor

SUMMARY = 'summary.json'
_CARD = """---
license: {licence}
library_name: weaktr_mmseg
pipeline_tag: image-segmentation
tags: [weakly-supervised-semantic-segmentation, mmsegmentation, weaktr]
---

# {title}

Semantic segmentation learned from image-level labels with WeakTr
([arXiv 2304.01184](https://arxiv.org/abs/2304.01184)), trained with weaktr_mmseg {version}.

```python
from weaktr_mmseg.apis import PhotoSegmentor, init_model

segmentor = PhotoSegmentor(init_model('{folder}'))
labels = segmentor(image)  # RGB, uint8 (H, W, 3) -> classes, uint8 (H, W)
```

or `python tools/infer.py PHOTOS --model {folder}`.

## Classes

{classes}

## Scores

{scores}

## Network

{network}

Licence of the weights: {licence}. weaktr_mmseg itself is under Apache-2.0; pretrained encoders and
photographs have licences of their own.
"""


def publish_model(
    cfg: Config,
    checkpoint: str | Path,
    out: str | Path,
    licence: str = 'unknown',
    summary: str | Path | None = None,
) -> Path:
    """Writes ``model.safetensors``, ``config.py`` and a model card.

    The config is complete but for what belongs to the machine of the training: the work folder and
    the weights that training started from.

    Args:
        cfg: Config of the pipeline or of the segmentor.
        checkpoint: Its trained weights.
        out: The folder to write.
        licence: Licence of the weights, an identifier as of SPDX.
        summary: ``summary.json`` of the run; None for the one beside or above the checkpoint, if
            there is one.

    Returns:
        The folder.

    Raises:
        WeakTrInputError: If the config has no segmentor, the checkpoint is not of it, the summary
            cannot be read, or the package ``safetensors`` is not installed.
    """
    out = Path(out)
    model = build_segmentor(copy.deepcopy(cfg), checkpoint)
    scores = _read_summary(summary, Path(checkpoint))
    meta = dict(dataset_meta=_plain(model.dataset_meta), weaktr_mmseg=__version__)
    save_safetensors(model.state_dict(), out / WEIGHTS, meta)
    config = _portable(cfg, out.resolve().name)
    with atomic_path(out / CONFIG) as temporary:
        config.dump(str(temporary))
    encoder = cfg.model.backbone
    init_cfg = encoder.get('init_cfg')
    start = init_cfg.get('checkpoint') if isinstance(init_cfg, dict) else None
    parameters = sum(parameter.numel() for parameter in model.parameters())
    facts = [
        f'* encoder: {encoder.type}, {encoder.arch if isinstance(encoder.arch, str) else "custom"}',
        f'* started from: {Path(start).name if start else "random numbers"}',
        f'* parameters: {parameters / 1e6:.1f} million',
    ]
    card = _CARD.format(
        licence=licence,
        title=out.resolve().name,
        folder=out.resolve().name,
        version=__version__,
        classes='\n'.join(f'{i}. {name}' for i, name in enumerate(model.dataset_meta['classes'])),
        scores=_scores(scores),
        network='\n'.join(facts),
    )
    write_text(out / CARD, card)
    return out


def push_to_hub(folder: str | Path, repo: str) -> str:
    """Uploads a published folder to the Hugging Face Hub, with the login of huggingface_hub.

    Args:
        folder: What :func:`publish_model` has written.
        repo: ``OWNER/NAME``; it is made if it does not exist.

    Returns:
        Address of the upload.

    Raises:
        WeakTrInputError: If huggingface_hub is not installed, or refuses.
    """
    message = "uploading needs huggingface_hub: pip install -e '.[hub]'"
    api = import_optional('huggingface_hub', message).HfApi()
    try:
        api.create_repo(repo, exist_ok=True)
        return str(api.upload_folder(repo_id=repo, folder_path=str(folder)))
    except Exception as error:  # its errors come from several HTTP libraries
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise WeakTrInputError(f'{repo}: cannot be uploaded to ({reason})') from error


def _portable(cfg: Config, name: str) -> Config:
    config = copy.deepcopy(cfg)
    stages = [config]
    if config.get('cam_stage') is not None:
        config.cam_stage = complete_cam_stage(config)
        stages.append(config.cam_stage)
    for stage in stages:
        stage.model.backbone.pop('init_cfg', None)
        stage.update(work_dir=f'work_dirs/{name}', load_from=None, resume=False)
    return config


def _read_summary(path: str | Path | None, checkpoint: Path) -> dict[str, Any]:
    if path is None:
        folders = checkpoint.resolve().parents[:2]
        path = next((f / SUMMARY for f in folders if (f / SUMMARY).is_file()), None)
    if path is None:
        return {}
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
        if not isinstance(content.get('metrics'), dict):
            raise ValueError("expected the key 'metrics'")
    except (OSError, ValueError, AttributeError) as error:
        raise WeakTrInputError(f'{path}: cannot be read as a summary ({error})') from error
    return content


def _scores(summary: Mapping[str, Any]) -> str:
    metrics = {k: v for k, v in summary.get('metrics', {}).items() if v is not None}
    if not metrics:
        return 'None were measured.'
    rows = [f'| `{name}` | {value} |' for name, value in metrics.items()]
    threshold = summary.get('threshold') or {}
    notes = ['Scores named `oracle` use a threshold that pixel labels chose.']
    if 'value' in threshold:
        notes.append(
            f'Threshold of the pseudo labels: {threshold["value"]}, {threshold.get("chosen_by")}.'
        )
    if summary.get('finished'):
        notes.append(f'Finished: {summary["finished"]}.')
    return '\n'.join(['| score, % | |', '|---|---|', *rows, '', ' '.join(notes)])


def _plain(value: Any) -> Any:
    """Class names and colours as JSON knows them."""
    return json.loads(json.dumps(value, default=lambda item: item.tolist()))
