"""Pipeline steps of the systems in the paper's review."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sklearn.base import clone
from sklearn.ensemble import VotingClassifier

from .streams import MotionMagnifier, OpticalFlow
from .synthesis import SelfBlender

Steps = list[tuple[str, Any]]


@dataclass
class Parts:
    """Factory for the steps of a system."""

    margin: float
    slots: dict[str, Any]  # parameters of the streams
    max_faces: int
    people: str | None
    weights: Any
    memory: Any
    verbose: int
    detector_params: dict[str, Any]
    features: Any = field(init=False)
    detectors: Any = field(init=False)

    def __post_init__(self) -> None:
        # Import these modules late, since they load Keras.
        self.features = importlib.import_module(".features", __package__)
        self.detectors = importlib.import_module(".detectors", __package__)

    def featurizer(self, backbone: Any) -> tuple[str, Any]:
        """Make the step of a featurizer that returns one vector per frame."""
        return "featurizer", self.features.KerasFeaturizer(
            backbone,
            weights=self.weights_of(backbone),
            pooling="avg",
            memory=self.memory,
            verbose=self.verbose,
        )

    def weights_of(self, backbone: Any) -> Any:
        """Return the weights of a backbone, or None if ImageNet weights are missing."""
        is_random = backbone in ("resnext50", "meso4") and self.weights == "imagenet"
        return None if is_random else self.weights

    def make(self, name: str, **defaults: Any) -> Any:
        """Make a detector by class name."""
        params = {"verbose": self.verbose, **defaults, **self.detector_params}
        fakes = params.get("fake_source")
        if isinstance(fakes, self.detectors.BlendedFakes) and fakes.blender is None:
            blender = SelfBlender(margin=self.margin)
            params["fake_source"] = clone(fakes).set_params(blender=blender)
        if self.max_faces > 1 and self.people is not None:
            PerPerson = self.detectors.PerPerson
            rule = params.get("aggregation", "mean")
            if not isinstance(rule, PerPerson):
                rule = PerPerson(self.max_faces, aggregation=rule, people=self.people)
            params["aggregation"] = rule
        return getattr(self.detectors, name)(**params)

    def detector(self, name: str, **defaults: Any) -> tuple[str, Any]:
        """Make the step of a detector."""
        return "detector", self.make(name, **defaults)

    def transfer(self, backbone: Any = "vgg16", **defaults: Any) -> tuple[str, Any]:
        """Make the step of a TransferDetector."""
        backbone = self.detector_params.get("backbone", backbone)
        weights = self.weights_of(backbone)
        settings = {"backbone": backbone, "weights": weights, **defaults}
        return self.detector("TransferDetector", **settings)


class System(NamedTuple):
    """System of the paper's review."""

    reference: str  # reference number or section in the paper
    layout: dict[str, Any]  # values that differ from `LAYOUT`
    steps: Callable[[Parts], Steps]  # steps after the resizer


def _cnn_rnn(parts: Parts) -> Steps:
    featurizer = parts.features.VGG16Featurizer(
        weights=parts.weights, memory=parts.memory, verbose=parts.verbose
    )
    return [("featurizer", featurizer), parts.detector("CNNRNNDetector")]


def _multi_path(parts: Parts) -> Steps:
    backbone = parts.features.MultiPathBackbone(weights=parts.weights)
    return [parts.transfer(backbone, weights="imagenet")]


def _inception_lstm(parts: Parts, dropout: float = 0.5) -> Steps:
    return [
        parts.featurizer("inception_v3"),
        parts.detector(
            "CNNRNNDetector",
            sequence="temporal",
            units=(2048,),
            dropout=dropout,
            dense_units=(512,),
            head_dropout=dropout,
        ),
    ]


def _optical_flow(parts: Parts) -> Steps:
    flow = OpticalFlow(channels="rgb", **parts.slots)
    head = parts.detectors.Head(cell="lstm")
    return [("stream", flow), parts.transfer(head=head)]


def _motion_magnification(parts: Parts) -> Steps:
    return [("stream", MotionMagnifier(**parts.slots)), *_inception_lstm(parts, 0.3)]


def _blinking(parts: Parts) -> Steps:
    lstm = parts.detector("CNNRNNDetector", sequence="temporal", units=(256,))
    return [parts.featurizer("vgg16"), lstm]


def _resnext_lstm(parts: Parts) -> Steps:
    head = parts.detectors.Head(cell="lstm", units=(2048,), dense_dropout=0.4)
    return [parts.transfer("resnext50", head=head)]


def _face_weighting(parts: Parts) -> Steps:
    head = parts.detectors.Head(cell="gru", bidirectional=True)
    attention = parts.detectors.Attention()
    return [parts.transfer("efficientnet_b4", head=head, aggregation=attention)]


def _frame_prediction(parts: Parts) -> Steps:
    stream = parts.features.FramePredictor(**parts.slots, verbose=parts.verbose)
    head = parts.detectors.Head(cell="lstm")
    return [("stream", stream), parts.transfer(head=head)]


def _discriminators(parts: Parts) -> Steps:
    kinds: dict[str, dict[str, Any]] = {
        "alone": {"generator": None},
        "deep": {"generator": None, "discriminator_filters": (32, 64, 128, 256)},
        "adversarial": {"generated_label": 1},
    }
    several = [(kind, parts.make("GANDetector", **kinds[kind])) for kind in kinds]
    _, meso = parts.transfer("meso4", head=parts.detectors.Head(dropout=0.5))
    return [("detector", VotingClassifier([*several, ("meso4", meso)], voting="soft"))]


SYSTEMS: dict[str, System] = {
    "cnn": System("[3]", {}, lambda parts: [parts.detector("CNNDetector")]),
    "cnn_rnn": System("own", {}, _cnn_rnn),
    "gan": System("[12]", {}, lambda parts: [parts.detector("GANDetector")]),
    "transfer": System("", {}, lambda parts: [parts.transfer()]),
    "multi_path": System("[4]", {}, _multi_path),
    "inception_lstm": System(
        "[7]", {"n_frames": 1, "burst": 20, "region": "frame"}, _inception_lstm
    ),
    "resnext_lstm": System("[8]", {"n_frames": 1, "burst": 100}, _resnext_lstm),
    "regions": System(
        "[5]",
        {"region": ("eyes", "nose", "mouth")},
        lambda parts: [parts.transfer("efficientnet_b0")],
    ),
    "optical_flow": System("[6]", {"n_frames": 2, "burst": 11}, _optical_flow),
    "motion_magnification": System(
        "[9]", {"n_frames": 1, "burst": 50}, _motion_magnification
    ),
    "blinking": System(
        "[10]", {"n_frames": 1, "burst": 20, "region": "eyes"}, _blinking
    ),
    "face_weighting": System("[11]", {"max_faces": 2, "people": None}, _face_weighting),
    "discriminators": System("[15]", {}, _discriminators),
    "frame_prediction": System("[2]", {"n_frames": 2, "burst": 5}, _frame_prediction),
    "reconstruction": System(
        "6", {}, lambda parts: [parts.detector("ReconstructionDetector")]
    ),
    "body": System("6", {"region": "body"}, _inception_lstm),
}

REFERENCES = {
    system.reference: name
    for name, system in SYSTEMS.items()
    if system.reference.startswith("[")
}

# Default layout of the slots of a video.
LAYOUT: dict[str, Any] = {
    "n_frames": 10,
    "burst": 1,
    "max_faces": 1,
    "region": "face",
    "people": "max",
}
