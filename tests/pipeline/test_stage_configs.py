from __future__ import annotations

import copy
from pathlib import Path

import pytest
from mmengine.config import Config

from weaktr_mmseg.pipeline import stage_configs as stages
from weaktr_mmseg.pipeline.options import PIPELINE_KEYS, pipeline_options
from weaktr_mmseg.utils.errors import WeakTrInputError

CONFIGS = Path(__file__).parents[2] / 'configs'
TRAINING_KEYS = {
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'val_dataloader',
    'val_cfg',
    'val_evaluator',
}
TRAINING = """
train_dataloader = dict(dataset=dict(pipeline=[{transforms}]))
train_cfg = dict(max_iters=3)
optim_wrapper = dict(type='OptimWrapper')
param_scheduler = []
val_dataloader = val_evaluator = val_cfg = dict()
test_dataloader = dict(batch_size=2, dataset=dict(ann_file='train.txt'))
test_evaluator = dict(type='Own')
model = dict(type='{model}', backbone=dict(depth=4))
resume = False
"""
PIPELINE = """
runner_type = 'WeakTrRunner'
work_dir = 'out'
launcher = 'pytorch'
randomness = dict(seed=3)
cam_stage = dict(config='cam.py', train_cfg=dict(max_iters=9))
pseudo_labels = dict(threshold=0.4, score_split='val.txt')
pipeline = dict(retrain_from_cam_vit=True)
"""
TRANSFORMS = "dict(type='Load'), [dict(type='LoadPseudoLabel', folder='unset')]"


@pytest.fixture
def cfg(tmp_path):
    """A pipeline that names the file of its CAM stage."""
    (tmp_path / 'cam.py').write_text(TRAINING.format(transforms='', model='CAM'), encoding='utf-8')
    leaf = tmp_path / 'pipeline.py'
    leaf.write_text(
        TRAINING.format(transforms=TRANSFORMS, model='Segmentor') + PIPELINE, encoding='utf-8'
    )
    return Config.fromfile(leaf)


@pytest.fixture
def resolved(cfg):
    """The pipeline with its CAM stage; no test may change it."""
    resolved = stages.resolve_pipeline(cfg)
    before = copy.deepcopy(resolved.to_dict())
    yield resolved
    assert resolved.to_dict() == before


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(treshold=0.4), r'^pseudo_labels\.treshold: no such key; did you mean threshold\?$'),
        (dict(threshold=43), r'pseudo_labels: threshold: expected a number in \[0, 1\] .* got 43$'),
        (
            dict(threshold='ostu'),
            r"pseudo_labels: threshold: .* 'auto', got 'ostu'$",
        ),
        (dict(refine=dict(type='DenseCRF', preset='voc')), r"pseudo_labels: .*'voc'"),
        (
            dict(crf='voc_cam'),
            r"pseudo_labels\.crf: .*\(type='DenseCRF', preset='voc_cam'",
        ),
        (dict(trusted_masks='no/where'), r'trusted_masks: no/where: no such folder'),
        (dict(refine=dict(type='CRF')), 'pseudo_labels: refine: expected a type of DenseCRF, PAMR'),
        (
            dict(ignore_disagreement=True),
            'pseudo_labels: ignore_disagreement: expected a refine',
        ),
    ],
)
def test_wrong_options_of_pseudo_labels_are_known_before_training(cfg, options, message):
    cfg.pseudo_labels.update(options)
    with pytest.raises(WeakTrInputError, match=message):
        stages.resolve_pipeline(cfg)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(pipeline=dict(chek_pixels=True)), r'^pipeline\.chek_pixels: .* mean check_pixels\?$'),
        (dict(pipeline=dict(zzz=1)), r'^pipeline\.zzz: no such key; expected one of check_pixels,'),
        (dict(pipeline='all'), "^pipeline: expected a dict of options, got 'all'$"),
        (dict(pipeline=dict(check_pixels=1)), r'^pipeline\.check_pixels: expected True or False'),
        (dict(pipeline=dict(on_fault='ignore')), r"^pipeline\.on_fault: .*got 'ignore'$"),
        (dict(on_fault='skip'), r"^on_fault: moved; write pipeline=dict\(on_fault='skip'\), or"),
        (dict(check_pixels=True), r'--cfg-options pipeline\.check_pixels=True$'),
        (dict(cam_stages=dict()), r'^cam_stages: no such key; did you mean cam_stage\?'),
        (
            dict(cam_stage=dict(optim_wraper=dict())),
            r'^cam_stage\.optim_wraper: no such key; did you mean cam_stage\.optim_wrapper\?',
        ),
        (
            dict(train_cfg=dict(batch_per_process=True)),
            r'^train_cfg\.batch_per_process: gone; .*train_cfg\.total_batch_size',
        ),
    ],
)
def test_unknown_and_former_keys_are_refused_with_the_likely_one(cfg, options, message):
    cfg.update(options)
    with pytest.raises(WeakTrInputError, match=message):
        stages.resolve_pipeline(cfg)


def test_variables_are_no_misspelt_keys(cfg):
    cfg.update(num_classes=3, my_pipeline=[], pseudo_labels_dir='x', max_epochs=4)
    stages.resolve_pipeline(cfg)


def test_on_fault_reaches_the_data_sets_of_all_stages():
    cfg = Config.fromfile(CONFIGS / 'weaktr_demo.py')
    cfg.pipeline.on_fault = 'skip'
    resolved = stages.resolve_pipeline(cfg)
    loaders = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    for stage in (resolved, resolved.cam_stage):
        assert [stage[name].dataset.on_fault for name in loaders] == ['skip'] * 3


def test_precision_reaches_training_and_prediction_of_both_stages():
    cfg = Config.fromfile(CONFIGS / 'weaktr_demo.py')
    assert 'precision' not in stages.resolve_pipeline(cfg).pretty_text.replace('precision=None', '')
    cfg.pipeline = dict(precision='bfloat16')
    cfg.optim_wrapper.type = 'WeakTrOptimWrapper'
    resolved = stages.resolve_pipeline(cfg)
    for stage in (resolved, resolved.cam_stage):
        assert stage.model.test_cfg.precision == 'bfloat16'
        of_training = stage.optim_wrapper.get('precision')
        assert of_training == ('bfloat16' if stage is resolved else None)
    cfg.pipeline.precision = 'half'
    with pytest.raises(WeakTrInputError, match=r"^pipeline\.precision: expected .* got 'half'$"):
        stages.resolve_pipeline(cfg)


def test_resolve_embeds_the_file_and_overrides_it(cfg):
    before = copy.deepcopy(cfg.to_dict())
    stage = stages.resolve_pipeline(cfg).cam_stage
    assert stage.model.type == 'CAM'
    assert stage.train_cfg == dict(max_iters=9)
    assert 'config' not in stage
    assert cfg.to_dict() == before


def test_resolve_keeps_a_stage_that_stands_alone(cfg):
    cfg.cam_stage = dict(model=dict(type='Inline'))
    assert stages.resolve_pipeline(cfg).cam_stage == dict(model=dict(type='Inline'))


def test_resolving_twice_changes_nothing(resolved):
    assert stages.resolve_pipeline(resolved).to_dict() == resolved.to_dict()


@pytest.mark.parametrize('key', ['cam_stage', 'pseudo_labels', 'work_dir', 'model'])
def test_missing_key(cfg, key):
    cfg.pop(key)
    with pytest.raises(WeakTrInputError, match=rf"pipeline\.py: expected the key '{key}'"):
        stages.resolve_pipeline(cfg)


def test_missing_file(cfg):
    cfg.cam_stage.config = 'nowhere.py'
    with pytest.raises(WeakTrInputError, match=r'cam_stage\.config names .*nowhere\.py, no such'):
        stages.resolve_pipeline(cfg)


def test_a_config_of_this_project_is_found_from_anywhere(cfg):
    cfg.cam_stage = dict(config='weaktr_voc_cam.py')
    assert stages.resolve_pipeline(cfg).cam_stage.model.type == 'WeakTrCAMSegmentor'


def test_cam_training(resolved):
    stage = stages.cam_training_config(resolved)
    assert (stage.model.type, stage.work_dir) == ('CAM', 'out/cam')
    assert (stage.launcher, stage.randomness.seed) == ('pytorch', 3)
    assert set(stage) >= TRAINING_KEYS
    assert not set(stage) & set(PIPELINE_KEYS)


def test_cam_inference(resolved):
    resolved_resuming = copy.deepcopy(resolved)
    resolved_resuming.resume = True
    evaluator = [dict(type='Writer')]
    stage = stages.cam_inference_config(resolved_resuming, 'cam.pth', evaluator, 'out/labels')
    assert (stage.model.type, stage.work_dir) == ('CAM', 'out/labels')
    assert (stage.load_from, stage.resume) == ('cam.pth', False)
    assert stage.test_evaluator == evaluator
    assert not set(stage) & TRAINING_KEYS


def test_score_split(resolved):
    stage = stages.score_split_config(resolved, 'cam.pth', 'out/labels')
    assert stage.test_dataloader.dataset.ann_file == 'val.txt'
    scores = str(Path(stage.work_dir) / 'scores_score_split.json')
    metric = dict(type='WeakTrCAMMetric', threshold=0.4, score_file=scores)
    assert stage.test_evaluator == [metric]
    without = copy.deepcopy(resolved)
    del without.pseudo_labels['score_split']
    assert stages.score_split_config(without, 'cam.pth', 'out') is None


def test_threshold_of_the_metric_defaults_to_otsu(cfg):
    del cfg.pseudo_labels['threshold']
    assert stages.cam_metric(cfg, 'out')['threshold'] == 'otsu'


@pytest.mark.parametrize('initial_vit', [None, 'vit.pth'])
def test_retraining(resolved, initial_vit):
    stage = stages.retraining_config(resolved, initial_vit)
    assert (stage.model.type, stage.work_dir) == ('Segmentor', 'out/retrain')
    assert not set(stage) & set(PIPELINE_KEYS)
    nested = stage.train_dataloader.dataset.pipeline[1][0]
    assert nested.folder == 'out/pseudo_labels'
    if initial_vit is None:
        assert 'init_cfg' not in stage.model.backbone
    else:
        expected = dict(type='WeakTrPretrained', checkpoint='vit.pth')
        assert stage.model.backbone.init_cfg == expected


def test_test_of_the_retrained_segmentor(resolved):
    stage = stages.retrained_test_config(resolved, 'final.pth')
    assert (stage.load_from, stage.resume) == ('final.pth', False)
    kinds = [evaluator.type for evaluator in stage.test_evaluator]
    assert kinds == ['Own', 'OptionalIoUMetric', 'WeakTrScoreWriter']
    assert stage.model.test_cfg.use_image_labels == 'both'
    assert not set(stage) & TRAINING_KEYS


def test_stages_have_names_of_their_own(resolved):
    """Runners of one name would share mmengine's loggers and message hubs."""
    configs = [
        stages.cam_training_config(resolved),
        stages.cam_inference_config(resolved, 'cam.pth', [], 'out/labels'),
        stages.score_split_config(resolved, 'cam.pth', 'out/labels'),
        stages.retraining_config(resolved),
        stages.retrained_test_config(resolved, 'final.pth'),
    ]
    assert len({config.experiment_name for config in configs}) == len(configs)


def test_find_configs_at_any_depth():
    wanted = [dict(type='A', n=1), dict(type='A', n=2, inner=dict(type='A', n=3))]
    tree = dict(x=[wanted[0], (dict(type='B', child=wanted[1]),)], type='C', y='A')
    assert [found['n'] for found in stages.find_configs(tree, 'A')] == [1, 2, 3]


@pytest.mark.parametrize('leaf', ['weaktr_demo.py', 'weaktr_voc.py', 'weaktr_coco.py'])
def test_shipped_pipelines_resolve(leaf):
    resolved = stages.resolve_pipeline(Config.fromfile(CONFIGS / leaf))
    assert resolved.cam_stage.model.type == 'WeakTrCAMSegmentor'
    loader = stages.retraining_config(resolved).train_dataloader
    folders = [found['folder'] for found in stages.find_configs(loader, 'LoadPseudoLabel')]
    assert folders == [f'{resolved.work_dir}/pseudo_labels']


def test_switches_have_the_defaults_of_the_documentation():
    text = (CONFIGS.parent / 'docs/configuration.md').read_text(encoding='utf-8')
    options = pipeline_options(Config(dict(pipeline={})))
    switches = {name: value for name, value in options.items() if isinstance(value, bool)}
    assert len(switches) >= 5
    for name, value in switches.items():
        assert f'\n| `{name}` | bool | `{value}`' in text, name
