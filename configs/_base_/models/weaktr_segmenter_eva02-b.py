# Segmentor with EVA-02-B.
_base_ = './weaktr_segmenter_eva02-s.py'
model = dict(
    backbone=dict(
        arch='base',
        sub_ln=True,  # a norm inside the MLP, in B and L alone
        init_cfg=dict(checkpoint='eva02-b')),
    decode_head=dict(
        in_channels=768, channels=768, embed_dims=768, num_heads=12))  # width / 64
