# Segmentor with the AugReg ViT-B/16 fine-tuned at 384 px.
_base_ = './weaktr_segmenter_vit-s.py'
model = dict(
    backbone=dict(
        arch='deit-base',  # mmpretrain's name for width 768, 12 layers, 12 heads
        init_cfg=dict(checkpoint='vit-b-augreg')),
    decode_head=dict(
        in_channels=768, channels=768, embed_dims=768, num_heads=12))  # width / 64
