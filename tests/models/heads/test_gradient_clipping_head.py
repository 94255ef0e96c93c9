from __future__ import annotations

from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads import SegmenterMaskTransformerHead
from mmseg.structures import SegDataSample

from weaktr_mmseg.models.heads.gradient_clipping_head import WeakTrGradientClippingHead, accuracy
from weaktr_mmseg.utils.errors import WeakTrInputError

from looping import some

SETTINGS = dict(
    in_channels=16,
    channels=16,
    num_classes=3,
    num_layers=2,
    num_heads=2,
    embed_dims=16,
    drop_path_rate=0.0,
)


@pytest.fixture
def head() -> WeakTrGradientClippingHead:
    torch.manual_seed(0)
    head = WeakTrGradientClippingHead(
        **SETTINGS, loss_decode=dict(type='WeakTrGradientClippingLoss', patch_size=4, start=10.0)
    )
    head.init_weights()
    return head


def test_same_network_as_segmenter(head):
    stock = SegmenterMaskTransformerHead(**SETTINGS)
    stock.load_state_dict(head.state_dict(), strict=True)
    features = (torch.randn(2, 16, 3, 4),)
    torch.testing.assert_close(head.eval()(features), stock.eval()(features))


def test_attention_matrix_is_not_formed(head):
    target = 'torch.nn.functional.scaled_dot_product_attention'
    with mock.patch(target, wraps=torch.nn.functional.scaled_dot_product_attention) as attention:
        head((torch.randn(1, 16, 3, 4),))
    assert attention.call_count == SETTINGS['num_layers']


def test_logs_share_of_clipped_pixels(head):
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 3, (1, 8, 8))))

    losses = head.loss((torch.randn(1, 16, 2, 2),), [sample], train_cfg={})

    assert set(losses) == {'loss_ce', 'acc_seg', 'clipped_share'}
    assert 0 < losses['clipped_share'] < 1
    assert not losses['clipped_share'].requires_grad
    losses['loss_ce'].backward()
    assert head.cls_emb.grad.any()


def test_published_clipping_is_the_default():
    criterion = WeakTrGradientClippingHead(**SETTINGS).loss_decode
    assert (criterion.patch_size, criterion.start, criterion.loss_name) == (120, 1.2, 'loss_ce')


def test_cuts_off_the_padding_of_the_encoder():
    head = WeakTrGradientClippingHead(patch_size=4, **SETTINGS)
    logits = torch.randn(1, 3, 2, 3)

    predicted = head.predict_by_feat(logits, [dict(img_shape=(7, 10), pad_shape=(7, 10, 3))])

    upsampled = F.interpolate(logits, size=(8, 12), mode='bilinear', align_corners=False)
    torch.testing.assert_close(predicted, upsampled[..., :7, :10])


def test_window_size_takes_precedence_over_padded_size():
    head = WeakTrGradientClippingHead(patch_size=4, **SETTINGS)
    meta = dict(img_shape=torch.Size((8, 4)), pad_shape=(20, 20))
    assert head.predict_by_feat(torch.randn(1, 3, 2, 1), [meta]).shape == (1, 3, 8, 4)


def test_refuses_patches_that_do_not_fit():
    head = WeakTrGradientClippingHead(patch_size=4, **SETTINGS)
    with pytest.raises(ValueError, match=r'\(2, 3\) patches of 4 px do not fit .* \(8, 8\) px'):
        head.upsample(torch.randn(1, 3, 2, 3), (8, 8))


def test_losses_equal_those_of_segmenter(head):
    """Where nothing is clipped, at a size that makes the parent upsample as well."""
    head.loss_decode.start = 0.0
    stock = SegmenterMaskTransformerHead(**SETTINGS)
    stock.load_state_dict(head.state_dict(), strict=True)
    labels = torch.randint(0, 3, (1, 8, 8), generator=torch.manual_seed(0))
    labels[:, :2] = 255
    sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
    features = (torch.randn(1, 16, 2, 2),)

    losses = head.eval().loss(features, [sample], train_cfg={})

    expected = stock.eval().loss(features, [sample], train_cfg={})
    torch.testing.assert_close(losses['acc_seg'], expected['acc_seg'].squeeze())
    torch.testing.assert_close(losses['loss_ce'], expected['loss_ce'])


def test_several_losses_of_one_name_are_added(head):
    stock_loss = dict(type='CrossEntropyLoss', loss_weight=0.5, loss_name='loss_ce')
    both = [dict(type='WeakTrGradientClippingLoss', start=0.0), stock_loss]
    two = WeakTrGradientClippingHead(**SETTINGS, loss_decode=both)
    two.load_state_dict(head.state_dict(), strict=True)
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 3, (1, 8, 8))))
    features = (torch.randn(1, 16, 2, 2),)
    head.loss_decode.start = 0.0
    one = head.eval().loss(features, [sample], train_cfg={})
    losses = two.eval().loss(features, [sample], train_cfg={})
    torch.testing.assert_close(losses['loss_ce'], 1.5 * one['loss_ce'])


def test_accuracy_without_a_labelled_pixel_is_zero():
    labels = torch.full((1, 4, 4), 255)
    assert accuracy(torch.randn(1, 3, 4, 4), labels, 255) == 0


def test_fresh_decoder_is_drawn_as_the_original_is():
    width = 192
    head = WeakTrGradientClippingHead(
        **{**SETTINGS, 'in_channels': 2 * width, 'channels': width, 'embed_dims': width}
    )
    torch.manual_seed(0)
    head.init_weights()
    for name, parameter in some(head.named_parameters()):
        if name.endswith('bias') or 'in_proj_bias' in name:
            assert not parameter.any(), name
        elif parameter.dim() == 1:  # of norms
            assert (parameter == 1).all(), name
        else:
            expected = width**-0.5 if name in PROJECTIONS else 0.02
            spread = 0.06 if name == 'cls_emb' else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=spread), name
            assert abs(parameter.mean().item()) < 0.1 * expected, name


PROJECTIONS = ('patch_proj.weight', 'classes_proj.weight')


def test_last_readout_is_the_output_and_the_first_leaves_a_layer_out(head):
    features = (torch.randn(2, 16, 3, 4),)
    first, last = head.eval().readouts(features, 2)
    assert torch.equal(last, head(features))
    head.layers = head.layers[:1]
    torch.testing.assert_close(first, head(features))


@pytest.mark.parametrize('number', [0, 3])
def test_refuses_more_readouts_than_layers(head, number):
    with pytest.raises(WeakTrInputError, match=f'expected 1 to 2 weights, .* got {number}'):
        head.readouts((torch.randn(1, 16, 3, 4),), number)
