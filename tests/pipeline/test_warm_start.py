from __future__ import annotations

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmpretrain.models.backbones import VisionTransformer

from weaktr_mmseg.models import WeakTrCAMSegmentor
from weaktr_mmseg.pipeline.warm_start import encoder_state, write_encoder_checkpoint

ARCH = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
OPTIONS = dict(arch=ARCH, img_size=16, patch_size=4)


def build_cam_segmentor(classes):
    torch.manual_seed(0)
    fusion = dict(reduction=2, feature_reduction=2)
    backbone = dict(type='WeakTrViT', num_classes=classes, fusion=fusion, **OPTIONS)
    head = dict(type='WeakTrCAMHead', in_channels=16, num_classes=classes)
    segmentor = WeakTrCAMSegmentor(backbone, head)
    for parameter in segmentor.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    segmentor.eval()
    return segmentor


def build_encoder(state):
    encoder = VisionTransformer(**OPTIONS, out_type='raw')
    names = {name[len('backbone.') :]: value for name, value in state.items()}
    missing, unexpected = encoder.load_state_dict(names, strict=False)
    assert (missing, unexpected) == (['ln1.weight', 'ln1.bias'], [])  # the encoder's final norm
    encoder.eval()
    return encoder


@torch.no_grad()
def test_encoder_continues_a_one_class_network_exactly():
    segmentor, images = build_cam_segmentor(1), torch.randn(2, 3, 16, 16)
    encoder = build_encoder(encoder_state(segmentor.state_dict()))
    encoder.ln1 = torch.nn.Identity()
    (tokens,) = encoder(images)
    features = segmentor.backbone(images)
    torch.testing.assert_close(tokens[:, :1], features.class_tokens)
    torch.testing.assert_close(tokens[:, 1:].mT.unflatten(2, (4, 4)), features.patch_map)


def test_class_tokens_and_their_positions_are_averaged():
    state = build_cam_segmentor(3).state_dict()
    before = {name: value.clone() for name, value in state.items()}
    encoder = build_encoder(encoder_state(state))
    tokens, positions = state['backbone.cls_token'], state['backbone.pos_embed']
    torch.testing.assert_close(encoder.cls_token[0, 0], sum(tokens[0]) / 3)
    torch.testing.assert_close(encoder.pos_embed[0, 0], sum(positions[0, :3]) / 3)
    assert torch.equal(encoder.pos_embed[0, 1:], positions[0, 3:])
    assert all(torch.equal(state[name], value) for name, value in before.items())


def test_checkpoint_is_written_whole_and_without_objects(tmp_path):
    state = build_cam_segmentor(3).state_dict()
    history = dict(log_scalars=dict(loss=HistoryBuffer([1.0], [1])))  # as mmengine saves it
    torch.save(dict(state_dict=state, message_hub=history), tmp_path / 'cam.pth')
    path = tmp_path / 'retrain' / 'vit.pth'

    write_encoder_checkpoint(str(tmp_path / 'cam.pth'), str(path))

    written = torch.load(path, weights_only=True)['state_dict']
    assert written.keys() == encoder_state(state).keys()
    build_encoder(written)
    assert list(path.parent.iterdir()) == [path]


def test_state_of_another_network_is_refused():
    with pytest.raises(KeyError, match='cls_token'):
        encoder_state({'cam_head.classifier.bias': torch.zeros(3)})
