# What the encoders of your own data start from: a name, an address or a file of DINOv2-S; see
# docs/weights.md. Set the environment variable WEAKTR_PRETRAINED or change the last line.
import os

pretrained = os.environ.get('WEAKTR_PRETRAINED') or 'dinov2-s'
