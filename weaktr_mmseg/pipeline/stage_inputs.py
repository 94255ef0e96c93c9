"""What the result of a stage depends on: its config, its data, its checkpoints."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..datasets.building import list_dataset
from ..datasets.listing_cache import collection_paused
from ..utils.files import file_digest
from . import stage_configs as stages
from .mask_stage import datasets_with_labels
from .run_state import UPSTREAM
from .stage import Run
from .unscored import VALIDATION_KEYS

# Keys of a stage that affect the result of its training, and of its test.
COMMON_KEYS = ('model', 'data_preprocessor', 'compile')
TRAINING_KEYS = (
    *COMMON_KEYS,
    *stages.TRAINING_KEYS,
    *VALIDATION_KEYS,
    'load_from',
    'randomness',
    'auto_scale_lr',
    'custom_hooks',
    'activation_checkpointing',
    'efficient_conv_bn_eval',
)
TEST_KEYS = (*COMMON_KEYS, 'test_dataloader', 'test_cfg', 'test_evaluator')
# What may change between sessions, wherever these keys stand: speed, and what is done about faults.
FREE_KEYS = (
    'num_workers',
    'persistent_workers',
    'pin_memory',
    'prefetch_factor',
    'workers',
    'on_fault',
    'precision',
)


def cam_inputs(run: Run) -> dict[str, Any]:
    """Inputs of CAM training, as plain values for :class:`RunState`."""
    return _training_inputs(run.cfg, stages.cam_training_config(run.cfg))


def pseudo_label_inputs(run: Run) -> dict[str, Any]:
    """Inputs of the pseudo labels."""
    folder = run.work_dir / stages.PSEUDO_LABEL_DIR
    metric = stages.cam_metric(run.cfg, folder)
    stage = stages.cam_inference_config(run.cfg, '', [metric], folder)
    config = dict(_choose(stage, TEST_KEYS), pseudo_labels=run.cfg.pseudo_labels)
    return _inputs(run.cfg, config, checkpoint=run.results['cam']['digest'])


def relabelling_inputs(run: Run) -> dict[str, Any]:
    """Inputs of the relabelling."""
    first = stages.relabelling_pipeline(run.cfg)
    labels = run.results['pseudo_labels']['inputs']
    inputs = _training_inputs(run.cfg, stages.relabelling_config(first), pseudo_labels=labels)
    train = datasets_with_labels(run.cfg)[0]
    masks = _choose(stages.final_masks_config(first, '', train, '', None), TEST_KEYS)
    inputs['config']['masks'] = _plain(masks, f'{run.cfg.work_dir}/')
    return inputs


def retraining_inputs(run: Run) -> dict[str, Any]:
    """Inputs of retraining."""
    labels = run.results['relabel' if stages.relabels(run.cfg) else 'pseudo_labels']['inputs']
    inputs = _training_inputs(run.cfg, stages.retraining_config(run.cfg), pseudo_labels=labels)
    from_cam = run.cfg.pipeline.retrain_from_cam_vit
    inputs['config']['retrain_from_cam_vit'] = from_cam
    inputs[UPSTREAM]['cam_checkpoint'] = run.results['cam']['digest'] if from_cam else None
    return inputs


def evaluation_inputs(run: Run) -> dict[str, Any]:
    """Inputs of the final evaluation."""
    stage = stages.retrained_test_config(run.cfg, '')
    return _inputs(run.cfg, _choose(stage, TEST_KEYS), checkpoint=run.results['retrain']['digest'])


def mask_inputs(run: Run) -> dict[str, Any]:
    """Inputs of the final masks."""
    train, *others = datasets_with_labels(run.cfg)
    config = _choose(stages.final_masks_config(run.cfg, '', train, '', None), TEST_KEYS)
    config.update({f'{index}_dataloader': dict(dataset=d) for index, d in enumerate(others)})
    return _inputs(
        run.cfg,
        config,
        checkpoint=run.results['retrain']['digest'],
        labels=run.results['pseudo_labels']['inputs'],
    )


def digest(value: Any) -> str:
    """SHA-256 of a plain value, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _training_inputs(cfg: Config, stage: Config, **upstream: str) -> dict[str, Any]:
    config = _choose(stage, TRAINING_KEYS)
    config['save_best'] = stage.get('default_hooks', {}).get('checkpoint', {}).get('save_best')
    return _inputs(cfg, config, **upstream)


def _choose(stage: Config, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: stage[key] for key in keys if key in stage}


def _inputs(cfg: Config, config: dict[str, Any], **upstream: str) -> dict[str, Any]:
    data = {
        key: _manifest(loader['dataset'])
        for key, loader in config.items()
        if key.endswith('_dataloader') and loader
    }
    return dict(
        config=_plain(config, f'{cfg.work_dir}/'),
        data=data,
        weights=_weights(config),
        **{UPSTREAM: upstream},
    )


def _plain(value: Any, prefix: str) -> Any:
    """The value as JSON knows it, without what may change and the place of the run."""
    if isinstance(value, dict):
        items = ((str(key), child) for key, child in value.items())
        return {key: _plain(child, prefix) for key, child in items if key not in FREE_KEYS}
    if isinstance(value, (list, tuple)):
        return [_plain(child, prefix) for child in value]
    if isinstance(value, str):
        return value.replace(prefix, '')
    return value if isinstance(value, (int, float, bool, type(None))) else repr(value)


def _manifest(dataset: dict[str, Any]) -> dict[str, Any]:
    """Number and digest of the samples of a data set: names and labels, not pixels."""
    with collection_paused():
        built = list_dataset(dataset)
        samples = []
        infos = getattr(built, 'data_list', None)
        for info in infos or map(built.get_data_info, range(len(built))):  # joined: no list
            name = info.get('sample_id') or Path(info['img_path']).name
            samples.append([name, info.get('image_labels'), 'seg_map_path' in info])
        return dict(samples=len(samples), digest=digest(samples))


def _weights(config: dict[str, Any]) -> dict[str, str]:
    """Digests of the files that training starts from."""
    paths = [
        found.get('checkpoint')
        for kind in ('Pretrained', 'WeakTrPretrained')
        for found in stages.find_configs(config, kind)
    ]
    paths.append(config.get('load_from'))
    return {path: file_digest(path) for path in paths if path and Path(path).is_file()}
