# CAM network with DINOv2-S/14 (arXiv 2304.07193), trained without labels.
_base_ = './weaktr_cam_deit-s.py'
model = dict(
    backbone=dict(
        patch_size=14,  # a grid of 16 x 16 at 224 px
        layer_scale_init_value=1e-5,  # has LayerScale; the values are those of the checkpoint
        final_norm=True,  # its last block puts out tokens of very different sizes
        init_cfg=dict(_delete_=True, type='WeakTrPretrained', checkpoint='dinov2-s')))
