# The encoder of your own data from timm's ViT and EVA families (pip install -e '.[timm]'):
# DINOv2-S/14 with registers. Set the environment variable WEAKTR_TIMM or change the name below.
_base_ = []  # mmengine takes a file that imports others for one of another kind without it
import os  # noqa: E402

from weaktr_mmseg.models.backbones.timm_encoder import timm_facts  # noqa: E402

timm_model = os.environ.get('WEAKTR_TIMM') or 'vit_small_patch14_reg4_dinov2.lvd142m'
timm = timm_facts(timm_model)  # width, heads, patch, mean and std
