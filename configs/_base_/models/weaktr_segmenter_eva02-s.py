# Segmentor with EVA-02-S: rotary positions and SwiGLU.
# Start: tools/convert_checkpoint.py eva02_S_pt_in21k_p14.pt checkpoints/eva02-s.pth
_base_ = './weaktr_segmenter_vit-s.py'
data_preprocessor = dict(
    mean=[122.7709383, 116.7460125, 104.09373615],  # CLIP
    std=[68.5005327, 66.6321579, 70.32316305])
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='WeakTrEVA02', arch='small', init_cfg=dict(checkpoint='checkpoints/eva02-s.pth')))
