"""The encoder runs once for each image; head and fusion learn, it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.engine import feature_cache
from weaktr_mmseg.engine.checkpoint_files import latest_checkpoint
from weaktr_mmseg.utils.errors import WeakTrInputError

WIDTH, HEADS, LAYERS = 16, 2, 2
IMAGES, SIDE, PATCH = 6, 32, 8
VIEW_BYTES = 2 * WIDTH * (SIDE // PATCH) ** 2
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(SIDE, SIDE), keep_ratio=False),
    dict(type='PackImageLabelInputs'),
]


@pytest.fixture
def data(tmp_path):
    """Photographs of red and of green noise, labelled by their colour."""
    (tmp_path / 'data/images').mkdir(parents=True)
    rows = ['image,labels']
    for index in range(IMAGES):
        pixels = np.random.default_rng(index).integers(0, 40, (48, 40, 3), dtype=np.uint8)
        pixels[..., index % 2] += 200
        Image.fromarray(pixels).save(tmp_path / f'data/images/{index}.png')
        rows.append(f'{index}.png,{("red", "green")[index % 2]}')
    (tmp_path / 'data/labels.csv').write_text('\n'.join(rows), encoding='utf-8')
    return tmp_path / 'data'


@pytest.fixture
def cfg(tmp_path, data):
    """A CAM stage on these photographs with a frozen encoder."""
    arch = dict(
        embed_dims=WIDTH, num_layers=LAYERS, num_heads=HEADS, feedforward_channels=2 * WIDTH
    )
    return Config(
        dict(
            default_scope='mmseg',
            work_dir=str(tmp_path / 'run'),
            experiment_name=tmp_path.name,
            model=dict(
                type='WeakTrCAMSegmentor',
                data_preprocessor=dict(
                    type='WeakTrDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, size_divisor=1
                ),
                backbone=dict(
                    type='WeakTrViT',
                    num_classes=2,
                    arch=arch,
                    img_size=SIDE,
                    patch_size=PATCH,
                    final_norm=True,
                    fusion=dict(type='WeakTrUniformFusion'),
                ),
                cam_head=dict(
                    type='WeakTrCAMHead',
                    in_channels=WIDTH,
                    num_classes=2,
                    loss_cls=None,
                    loss_fine=None,
                ),
            ),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=dict(
                    type='WeakTrCustomDataset',
                    data_root=str(data),
                    ann_file='',
                    pipeline=PIPELINE,
                ),
            ),
            train_cfg=dict(type='WeakTrFrozenCAMLoop', max_epochs=12),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.05)),
            default_hooks=dict(
                checkpoint=dict(type='WeakTrCheckpointHook', interval=1, max_keep_ckpts=1)
            ),
            randomness=dict(seed=0),
        )
    )


@pytest.fixture
def encoded_images(monkeypatch):
    """How many images each call of the encoder got, without their mirror images."""
    from weaktr_mmseg.engine.frozen_encoder_loop import FrozenEncoderLoop as Loop

    counts: list[int] = []
    original = Loop._encode_batch

    def counted(self, batch):
        plain, mirrored = original(self, batch)
        counts.append(len(plain))
        return plain, mirrored

    monkeypatch.setattr(Loop, '_encode_batch', counted)
    return counts


def test_head_learns_and_encoder_does_not(cfg, tmp_path):
    runner = Runner.from_cfg(cfg)
    runner.model.init_weights()
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}

    runner.train()

    after = torch.load(latest_checkpoint(tmp_path / 'run'), weights_only=False)['state_dict']
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {'cam_head.classifier.weight', 'cam_head.classifier.bias'}
    loader = Runner.build_dataloader(
        dict(cfg.train_dataloader, sampler=dict(type='DefaultSampler', shuffle=False))
    )
    with torch.no_grad():
        for batch in loader:
            samples = runner.model.eval().test_step(batch)
            targets = torch.stack([sample.image_labels for sample in batch['data_samples']])
            scores = torch.stack([sample.class_scores for sample in samples])
            coarse = runner.model.cam_head(
                runner.model.extract_feat(runner.model.data_preprocessor(batch, True)['inputs'])
            ).coarse
            assert torch.equal(coarse.argmax(1), targets.argmax(1))
            assert scores.shape == targets.shape


def test_cache_holds_what_the_network_computes(cfg, tmp_path):
    runner = Runner.from_cfg(cfg)
    runner.train()
    loop, model = runner.train_loop, runner.model.eval()
    cache = loop.dataloader.dataset
    assert len(cache) == 2 * IMAGES
    for index in range(IMAGES):
        sample = loop._images[index]
        batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        inputs = model.data_preprocessor(batch, training=True)['inputs']
        for view, image in enumerate((inputs, inputs.flip(3))):
            with torch.no_grad():
                expected = model.extract_feat(image).patch_map[0]
            patches, labels = cache[2 * index + view]
            torch.testing.assert_close(patches, expected, rtol=2e-3, atol=2e-3)  # float16
            assert torch.equal(labels, sample['data_samples'].image_labels)


def test_each_image_is_encoded_once(cfg, encoded_images):
    Runner.from_cfg(cfg).train()
    assert sum(encoded_images) == IMAGES + 1  # the first one, to know the size of the maps
    encoded_images.clear()
    cfg.experiment_name += '_again'
    Runner.from_cfg(cfg).train()
    assert sum(encoded_images) == 1


def test_other_weights_are_encoded_anew(cfg, encoded_images):
    Runner.from_cfg(cfg).train()
    encoded_images.clear()
    cfg.update(experiment_name=cfg.experiment_name + '_again', randomness=dict(seed=1))
    Runner.from_cfg(cfg).train()
    assert sum(encoded_images) == IMAGES + 1


def test_interrupted_encoding_resumes(cfg, monkeypatch, encoded_images):
    monkeypatch.setattr(feature_cache, 'SAVE_EVERY', 1)
    monkeypatch.setattr('weaktr_mmseg.engine.frozen_encoder_loop.ENCODE_BATCH', 2)
    runner = Runner.from_cfg(cfg)
    note = feature_cache.FeatureCache._note

    def note_and_stop(cache):
        note(cache)
        raise KeyboardInterrupt

    monkeypatch.setattr(feature_cache.FeatureCache, '_note', note_and_stop)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    monkeypatch.setattr(feature_cache.FeatureCache, '_note', note)
    encoded_images.clear()
    cfg.experiment_name += '_again'
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert sum(encoded_images) == 1 + IMAGES - 2
    assert runner.train_loop.dataloader.dataset.maps.any(axis=(1, 2, 3)).all()


def test_cache_is_bounded(cfg):
    cfg.train_cfg.cache_gib = 3 * 2 * VIEW_BYTES / 2**30
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert len(runner.train_loop.dataloader.dataset) == 3 * 2
    assert runner.iter == runner.max_iters == cfg.train_cfg.max_epochs * 2 * IMAGES / 4


def test_schedules_know_the_number_of_steps(cfg):
    cfg.param_scheduler = dict(
        type='CosineAnnealingLR', T_max=12, by_epoch=True, convert_to_iter_based=True
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 12 * 3  # batches of 4 of 12 views
    last = 0.05 * (1 + math.cos(math.pi * 35 / 36)) / 2
    assert runner.optim_wrapper.get_lr()['lr'][0] == pytest.approx(last)


def test_images_of_several_sizes_are_refused(cfg):
    cfg.train_dataloader.dataset.pipeline = [PIPELINE[0], PIPELINE[2]]
    root = cfg.train_dataloader.dataset.data_root
    Image.new('RGB', (64, 64)).save(f'{root}/images/3.png')
    with pytest.raises(WeakTrInputError, match='expected images of one size, got .*64, 64'):
        Runner.from_cfg(cfg).train()


def test_fusion_learns_from_further_losses(cfg):
    cfg.model.backbone.fusion = dict(type='WeakTrStaticFusion')
    cfg.model.data_preprocessor.bgr_to_rgb = True
    refinement = dict(type='WeakTrRefinementLoss', refine=dict(type='PAMR'), begin=0.5)
    cfg.model.cam_head.aux_losses = [
        dict(type='WeakTrSeedCompletionLoss', seed_share=0.3, end=0.5),
        refinement,
    ]
    cfg.train_cfg.update(fusion_images=4, fusion_batch=2)
    runner = Runner.from_cfg(cfg)
    seen = []
    refines = runner.model.cam_head.aux_losses[1]
    refines.register_forward_hook(lambda module, args, loss: seen.append(args), with_kwargs=False)
    runner.train()
    assert 0 < len(seen) < runner.max_iters
    images = runner.train_loop._attended_images  # the red one: 200 to 239 of red, at most 39 else
    assert images[0, 0].min() > 190 and images[0, 1:].max() < 50
    assert len(runner.train_loop._attended_labels) == IMAGES / 2  # every second: 4 at most
    assert runner.model.backbone.attention_fusion.logits.abs().min() > 0


def test_pixels_are_not_held_where_no_loss_looks_at_them(cfg):
    cfg.model.backbone.fusion = dict(type='WeakTrStaticFusion')
    cfg.model.cam_head.aux_losses = [dict(type='WeakTrSeedCompletionLoss', seed_share=0.3)]
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.train_loop._attended_images is None
    assert runner.model.backbone.attention_fusion.logits.abs().min() > 0


def test_decode_head_learns_masks_and_encoder_does_not(cfg, data, tmp_path):
    """The left half of each photograph is of its class; the head must find the colour there."""
    for index in range(IMAGES):
        path = data / f'images/{index}.png'
        pixels = np.array(Image.open(path))
        pixels[:, 20:] = 0
        Image.fromarray(pixels).save(path)
        mask = np.zeros((48, 40), np.uint8)
        mask[:, :20] = 1 + index % 2
        (data / 'masks').mkdir(exist_ok=True)
        Image.fromarray(mask).save(data / f'masks/{index}.png')
    arch = cfg.model.backbone.arch
    cfg.model = dict(
        type='WeakTrSegmentor',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size_divisor=1
        ),
        backbone=dict(
            type='WeakTrSegmenterViT',
            arch=arch,
            img_size=SIDE,
            patch_size=PATCH,
            out_type='featmap',
        ),
        decode_head=dict(
            type='FCNHead',
            in_channels=WIDTH,
            channels=WIDTH,
            num_convs=0,
            concat_input=False,
            dropout_ratio=0,
            num_classes=3,
            loss_decode=dict(type='CrossEntropyLoss'),
        ),
        test_cfg=dict(mode='whole'),
    )
    cfg.train_dataloader.dataset.update(
        masks=True,
        pipeline=[
            PIPELINE[0],
            dict(type='LoadAnnotations'),
            PIPELINE[1],
            dict(type='PackSegInputs'),
        ],
    )
    cfg.train_cfg.update(type='WeakTrFrozenSegmentorLoop', max_epochs=25)
    runner = Runner.from_cfg(cfg)
    runner.model.init_weights()
    encoder = {name: value.clone() for name, value in runner.model.backbone.state_dict().items()}

    runner.train()

    for name, value in runner.model.backbone.state_dict().items():
        assert torch.equal(value, encoder[name]), name
    sample = runner.train_loop._images[0]
    batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
    (result,) = runner.model.eval().test_step(batch)
    truth = Image.open(data / 'masks/0.png')
    assert (result.pred_sem_seg.data[0].numpy() == np.array(truth)).mean() > 0.85
