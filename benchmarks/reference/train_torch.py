"""Train the reference detector with PyTorch, which takes five minutes on a large GPU.

    python benchmarks/reference/train_torch.py --landmarks FILE --cache FOLDER
        --out FOLDER [--data FOLDER] [--steps 1600] [--seed 0] [--sam 0.05]
        [--set NAME=VALUE ...]

The recipe is that of `train.py`: the same faces, fakes, augmentations, schedule and
averaged weights. In addition, matrix products use bfloat16, several processes create
the batches, and `--sam` sets the radius of sharpness-aware minimization (Foret et al.,
ICLR 2021). A log and the averaged weights of each evaluation are written to the folder
of `--out`. Requires PyTorch. A GPU is optional.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import cv2
import numpy as np
import torch
from _data import load_faces, make_parser
from _measures import Measures
from numpy.typing import NDArray
from torch.nn import functional
from train import (
    add_settings,
    make_augmentations,
    make_fakes,
    read_settings,
    training_faces,
)

from skdeepfake._efficientnet_lite import (
    EPSILON,
    HEAD,
    IMAGENET,
    MEAN,
    SCALE,
    convolutions,
    packaged_arrays,
)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

#: Order of the axes of a kernel in PyTorch, for a convolution and a depthwise one.
AXES = {False: (3, 2, 0, 1), True: (2, 3, 0, 1)}

#: Steps of the linear warm-up, and the final share of the learning rate.
WARM_UP, FINAL = 30, 0.02


class Network(torch.nn.Module):
    """EfficientNet-lite0 with one logit per face, like that of the package."""

    def __init__(self, arrays: dict[str, NDArray], dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.steps = list(convolutions())
        self.kernels = torch.nn.ParameterList(
            torch.from_numpy(
                arrays[f"{step.name}_conv/kernel"]
                .astype("float32")
                .transpose(AXES[step.depthwise])
                .copy()
            )
            for step in self.steps
        )
        self.norms = torch.nn.ModuleList(
            torch.nn.BatchNorm2d(step.outputs, eps=EPSILON, momentum=0.01)
            for step in self.steps
        )
        self.head = torch.nn.Linear(self.steps[-1].outputs, 1)
        torch.nn.init.xavier_uniform_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            for name, tensor in self.norm_tensors():
                tensor.copy_(torch.from_numpy(arrays[name].astype("float32")))

    def norm_tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield the names and tensors of batch normalization."""
        for step, norm in zip(self.steps, self.norms, strict=True):
            yield f"{step.name}_bn/gamma", norm.weight
            yield f"{step.name}_bn/beta", norm.bias
            yield f"{step.name}_bn/moving_mean", norm.running_mean
            yield f"{step.name}_bn/moving_variance", norm.running_var

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of uint8 images of shape (n, height, width, 3)."""
        x = (images.permute(0, 3, 1, 2).float() - MEAN) / SCALE
        for step, kernel, norm in zip(
            self.steps, self.kernels, self.norms, strict=True
        ):
            if step.begins:
                shortcut = x
            (top, left), (bottom, right) = step.padding(x.shape[2:])
            x = functional.pad(x, (left, right, top, bottom))
            groups = step.outputs if step.depthwise else 1
            x = norm(functional.conv2d(x, kernel, stride=step.stride, groups=groups))
            if step.relu:
                x = functional.relu6(x)
            if step.adds:
                x = shortcut + x
        x = functional.dropout(x.float().mean((2, 3)), self.dropout, self.training)
        return self.head(x)[:, 0]

    def to_arrays(self) -> dict[str, NDArray[np.float16]]:
        """Return the weights by their names in Keras."""
        arrays = dict(self.norm_tensors())
        for step, kernel in zip(self.steps, self.kernels, strict=True):
            order = tuple(np.argsort(AXES[step.depthwise]))
            arrays[f"{step.name}_conv/kernel"] = kernel.permute(order)
        arrays[f"{HEAD}/kernel"] = self.head.weight.T
        arrays[f"{HEAD}/bias"] = self.head.bias
        return {
            name: tensor.detach().cpu().numpy().astype("float16")
            for name, tensor in arrays.items()
        }

    @torch.no_grad()
    def predict_on_batch(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probabilities of faces."""
        self.eval()
        logits: torch.Tensor = self(torch.from_numpy(images.copy()).to(DEVICE))
        return torch.sigmoid(logits).cpu().numpy()


class PairBatches(torch.utils.data.IterableDataset):
    """Endless batches of real faces, followed by a fake of each."""

    def __init__(
        self, X: NDArray, landmarks: str, settings: dict[str, Any], seed: int
    ) -> None:
        self.X, self.seed = X, seed
        self.n_real = settings["batch_size"] // 2
        self.blender = make_fakes(landmarks, settings).blender
        self.augmentations = make_augmentations(settings)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        number, step = (worker.id, worker.num_workers) if worker else (0, 1)
        y = torch.arange(2.0).repeat_interleave(self.n_real)
        while True:
            epoch, batch = divmod(number, len(self.X) // self.n_real)
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.X))
            rng = np.random.default_rng((self.seed, epoch, batch))
            faces = self.X[order[batch * self.n_real :][: self.n_real]]
            images = np.concatenate(self.blender.blend_pairs(faces, rng))
            for augmentation in self.augmentations:
                images = augmentation(images, rng)
            yield torch.from_numpy(np.ascontiguousarray(images)), y
            number += step


def learning_rate(step: int, steps: int, highest: float) -> float:
    """Return the learning rate: a linear warm-up, then a cosine."""
    if step < WARM_UP:
        return highest / WARM_UP * (1 + (WARM_UP - 1) * step / WARM_UP)
    cosine = 0.5 * (1 + np.cos(np.pi * min(1, (step - WARM_UP) / steps)))
    return float(highest * (FINAL + (1 - FINAL) * cosine))


def loss_of(network: Network, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy."""
    with torch.autocast(DEVICE, torch.bfloat16):
        logits = network(x)
    return functional.binary_cross_entropy_with_logits(logits.float(), y)


def add_perturbation(parameters: list[torch.Tensor], radius: float) -> list[Any]:
    """Move the weights along the gradient, and return the movement."""
    gradients = [parameter.grad for parameter in parameters]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    moved = torch._foreach_mul(gradients, radius / (norm + 1e-12))
    torch._foreach_add_([parameter.data for parameter in parameters], moved)
    return list(moved)


def train(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Train one network."""
    cut = {"margin": settings["margin"]}
    faces = load_faces(args.data, args.cache, size=settings["size"], **cut)
    measures = Measures(faces, args.data, args.cache, args.landmarks, **cut)
    batches = iter(
        torch.utils.data.DataLoader(
            PairBatches(
                training_faces(faces, settings), args.landmarks, settings, args.seed
            ),
            batch_size=None,
            num_workers=args.workers,
        )
    )
    torch.manual_seed(args.seed)
    network = Network(packaged_arrays(IMAGENET), settings["dropout"]).to(
        DEVICE, memory_format=torch.channels_last
    )
    averaged = copy.deepcopy(network)
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(
        parameters, eps=1e-7, weight_decay=settings["weight_decay"]
    )
    rows: list[dict[str, float]] = []
    began = time.perf_counter()
    for step in range(args.steps):
        x, y = (part.to(DEVICE) for part in next(batches))
        rate = learning_rate(step, args.steps, settings["learning_rate"])
        for group in optimizer.param_groups:
            group["lr"] = rate
        network.train()
        optimizer.zero_grad()
        loss = loss_of(network, x, y)
        loss.backward()
        if args.sam:
            moved = add_perturbation(parameters, args.sam)
            statistics = [buffer.clone() for buffer in network.buffers()]
            optimizer.zero_grad()
            loss_of(network, x, y).backward()
            torch._foreach_sub_([parameter.data for parameter in parameters], moved)
            for buffer, value in zip(network.buffers(), statistics, strict=True):
                buffer.copy_(value)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(
                list(averaged.parameters()), parameters, 1 - settings["ema"]
            )
        if (step + 1) % args.every == 0 or step + 1 == args.steps:
            for target, source in zip(
                averaged.buffers(), network.buffers(), strict=True
            ):
                target.copy_(source)
            row = {
                "step": step + 1,
                "minutes": (time.perf_counter() - began) / 60,
                "loss": loss.item(),
                **measures(averaged),
            }
            rows.append(row)
            print(json.dumps({k: round(v, 3) for k, v in row.items()}), flush=True)
            (args.out / "log.json").write_text(json.dumps(rows, indent=1))
            np.savez(args.out / f"weights-{step + 1}.npz", **averaged.to_arrays())


def main() -> None:
    """Run the command."""
    parser = make_parser(__doc__)
    parser.add_argument("--sam", type=float, default=0, help="radius, 0 for AdamW only")
    parser.add_argument("--workers", type=int, default=2, help="processes for batches")
    add_settings(parser)
    args = parser.parse_args()
    settings = read_settings(parser, args)
    if settings["residual"] or settings["norm_only"]:
        parser.error("residual and norm_only are only supported by train.py")
    train(args, settings)


if __name__ == "__main__":
    main()
