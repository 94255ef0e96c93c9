from .load_image import WeakTrLoadImage
from .pack_image_label_inputs import PackImageLabelInputs

__all__ = ['PackImageLabelInputs', 'WeakTrLoadImage']
