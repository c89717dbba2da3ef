"""Train a recipe from the literature on FaceForensics++ and evaluate it on others.

    python benchmarks/recipes/run.py gend --faceforensics FF++ --celeb-df Celeb-DF-v2
        --dfdc DFDC-test --deeperforensics DeeperForensics-1.0 --work runs/gend
    python benchmarks/recipes/run.py blend --faceforensics FF++ ... --work runs/blend
    python benchmarks/recipes/run.py gend --dry-run

- `gend`, after GenD: a pretrained vision transformer. Its LayerNorms and a linear head
  on L2-normalized features are trained on real videos and their fakes.
- `blend`, after BlenD: the same network, trained on real and self-blended faces (25,200
  faces from 35 frames of each of the 720 real training videos). Its probability is
  averaged with that of a second network, which is trained on the fakes of
  FaceForensics++. The second network cannot detect blending, since its input is limited
  to eyes, nose and mouth.

Sizes, learning rates and the second model of `blend` were not specified by the authors.
Training uses the official training set of real videos and fakes of four methods. Their
identities are in no test set. The table has AUCs by frame and by video and the equal
error rate by video for each dataset, with 95% confidence intervals by bootstrap over
identities.

Each stage saves its result in `--work`: crops in shards, trained models, scores. After
an interruption, the same command continues with the next shard of crops or the next
epoch of training. The default backbone is downloaded, and needs `skdeepfake[hub]` and a
GPU. `--dry-run` runs all stages on rendered clips with a tiny network with random
weights, so its results are meaningless.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from skdeepfake._atomic import write_atomically, written
from skdeepfake.datasets import (
    load_celeb_df,
    load_deeperforensics,
    load_dfdc,
    load_faceforensics,
    make_videos,
)
from skdeepfake.evaluation import EvaluationReport
from skdeepfake.evaluation._measures import with_interval
from skdeepfake.preprocessing import (
    DlibFaceCropper,
    Resizer,
    ShardedArray,
    VideoFrameSampler,
    write_shards,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _report

DATASETS = ("faceforensics", "celeb_df", "dfdc", "deeperforensics")
METHODS = ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"]
MARGIN = 0.15  # corresponds to 1.3 times the box of FaceForensics++


class Member(NamedTuple):
    """A model of a recipe."""

    cropper: dict[str, Any]
    is_blended: bool = False  # trained on real and self-blended faces
    n_regions: int = 1


FACE = {"margin": MARGIN}
PARTS = {"region": ("eyes", "nose", "mouth")}
# Models of each recipe. The score is the mean of their probabilities.
RECIPES = {
    "gend": {"face": Member(FACE)},
    "blend": {
        "face": Member(FACE, is_blended=True),
        "parts": Member(PARTS, n_regions=3),
    },
}


# -- data ------------------------------------------------------------------------------


def load(args: argparse.Namespace) -> tuple[Bunch, dict[str, Bunch]]:
    """Return the training videos, and the test videos by dataset."""
    ff = args.faceforensics
    train = load_faceforensics(ff, methods=METHODS, split="train")
    tests = {"FaceForensics++": load_faceforensics(ff, methods=METHODS, split="test")}
    if args.celeb_df:
        videos = load_celeb_df(args.celeb_df, split="test")
        # Swaps connect people into only four groups, so group by target instead.
        videos.groups = videos.details["target"]
        tests["Celeb-DF"] = videos
    if args.dfdc:
        tests["DFDC"] = load_dfdc(args.dfdc)
    if args.deeperforensics:
        videos = load_deeperforensics(args.deeperforensics, ff, split="test")
        # It shares real videos with FaceForensics++, but has another split.
        known = np.isin(videos.details["target"], train.details["target"])
        tests["DeeperForensics"] = select(videos, ~known)
    return train, tests


def select(videos: Bunch, rows: NDArray) -> Bunch:
    """Return a subset of videos."""
    return Bunch(**{k: videos[k][rows] for k in ("data", "target", "groups")})


def make_miniatures(root: Path) -> None:
    """Write rendered clips in the layouts of the four datasets."""
    size = {"n_real": 8, "n_fake": 8, "duration": 0.3, "size": (200, 240)}
    videos = make_videos(root / "rendered", **size, random_state=0)
    clips = {target: videos.data[videos.target == target] for target in (0, 1)}

    def put(name: str, is_fake: bool, number: int) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(clips[is_fake][number], path)

    def put_text(name: str, text: str) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    for i in range(8):
        put(
            f"faceforensics/original_sequences/youtube/c23/videos/{i:03d}.mp4", False, i
        )
        for method in METHODS:
            pair = f"{i:03d}_{i ^ 1:03d}.mp4"
            put(
                f"faceforensics/manipulated_sequences/{method}/c23/videos/{pair}",
                True,
                i,
            )
        put(f"celeb_df/Celeb-real/id{i}_0000.mp4", False, i)
        put(f"celeb_df/Celeb-synthesis/id{i}_id{i ^ 1}_0000.mp4", True, i)
        put(f"dfdc/videos/{i}.mp4", False, i)
        put(f"dfdc/videos/{i}_fake.mp4", True, i)
        put(
            f"deeperforensics/manipulated_videos/end_to_end/{i:03d}_M{i:03d}.mp4",
            True,
            i,
        )
    put("celeb_df/YouTube-real/00000.mp4", False, 0)
    for split, numbers in {"train": range(4), "test": range(4, 8)}.items():
        pairs = [[f"{i:03d}", f"{i ^ 1:03d}"] for i in numbers if not i % 2]
        put_text(f"faceforensics/splits/{split}.json", json.dumps(pairs))
    put_text(
        "deeperforensics/lists/splits/test.txt",
        "".join(f"{i:03d}_M{i:03d}.mp4\n" for i in range(2, 8)),
    )
    put_text(
        "celeb_df/List_of_testing_videos.txt",
        "".join(
            f"1 Celeb-real/id{i}_0000.mp4\n0 Celeb-synthesis/id{i}_id{i ^ 1}_0000.mp4\n"
            for i in range(8)
        ),
    )
    labels = [f"{i}.mp4,0\n{i}_fake.mp4,1\n" for i in range(8)]
    put_text("dfdc/labels.csv", "filename,label\n" + "".join(labels))


# -- stages ----------------------------------------------------------------------------


def crop(videos: Bunch, member: Member, args: argparse.Namespace, folder: Path) -> Any:
    """Write the crops of videos to shards, or open existing shards."""
    steps = make_pipeline(
        VideoFrameSampler(args.frames, duration=None, on_error="skip"),
        DlibFaceCropper(**member.cropper),
        Resizer((args.size, args.size)),
    )
    return write_shards(steps, videos.data, folder, n_jobs=args.jobs, verbose=1)


def tiny_transformer() -> Any:
    """Return a small vision transformer with random weights."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)  # a checkpoint belongs to these weights
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Reshape((16, 8))(layers.Conv2D(8, 8, strides=8)(x))
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y)])
    return keras.Model(inputs, layers.LayerNormalization()(x))


def train_model(
    X: ShardedArray, videos: Bunch, member: Member, args: argparse.Namespace, file: Path
) -> Any:
    """Train a model on crops, or load an existing model."""
    from skdeepfake.detectors import (
        BlendedFakes,
        Checkpoint,
        Head,
        PlateauCallbacks,
        TransferDetector,
    )
    from skdeepfake.synthesis import SelfBlender

    if file.exists():
        return joblib.load(file)
    blender = SelfBlender(altered="either", margin=MARGIN)
    detector = TransferDetector(
        backbone=tiny_transformer() if args.dry_run else args.backbone,
        trainable="norm",
        head=Head(pooling="mean" if args.dry_run else "cls", normalize=True, epochs=0),
        fake_source=BlendedFakes(blender) if member.is_blended else "labels",
        class_weight=None if member.is_blended else "balanced",
        augment="strong",
        learning_rate=args.learning_rate,
        batch_size=args.batch_size,
        epochs=args.epochs,
        callbacks=[PlateauCallbacks(), Checkpoint(file.with_suffix(""))],
        random_state=args.seed,
        verbose=1,
    )
    detector.fit(X, videos.target, groups=videos.groups)
    detector.set_params(callbacks=None, backbone=args.backbone)  # no longer needed
    write_atomically(file, lambda out: joblib.dump(detector, out))
    shutil.rmtree(file.with_suffix(""))
    return detector


def score(
    model: Any, X: ShardedArray, member: Member, file: Path
) -> dict[str, NDArray]:
    """Score videos and their frames, or load existing scores."""
    if not file.exists():
        slots = model.predict_frame_proba(X)
        frames = slots[..., 1].reshape(len(X), -1, member.n_regions)
        # Frames without any region result in NaN and a warning.
        with np.errstate(invalid="ignore"):
            count = (~np.isnan(frames)).sum(axis=-1)
            mean = np.nansum(frames, axis=-1) / count
        found = {"video": model.aggregate_proba(slots)[:, 1], "frames": mean}
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, lambda out: np.savez(out, **found))
    with np.load(file) as archive:
        return dict(archive)


def tabulate(
    scores: list[dict[str, NDArray]], videos: Bunch, name: str, n_resamples: int
) -> dict[str, Any]:
    """Return the row of a dataset for the mean probability of the models."""
    report = EvaluationReport.from_predictions(
        videos.target,
        np.mean([s["video"] for s in scores], axis=0),
        frame_proba=np.mean([s["frames"] for s in scores], axis=0),
        groups=videos.groups,
        n_resamples=n_resamples,
    )
    figures = {
        "frame AUC": report.row("AUC", level="frames"),
        "video AUC": report.row("AUC"),
        "video EER": report.row("equal error rate"),
    }
    return {
        "test set": name,
        "real": int(np.sum(videos.target == 0)),
        "fake": int(np.sum(videos.target == 1)),
        **{key: with_interval(row) for key, row in figures.items()},
    }


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run all stages, except those with existing results."""
    train, tests = load(args)
    scores: dict[str, list[dict[str, NDArray]]] = {name: [] for name in tests}
    for key, member in RECIPES[args.recipe].items():
        folder = args.work / key
        videos = select(train, train.target == 0) if member.is_blended else train
        X = crop(videos, member, args, folder / "train")
        model = train_model(X, videos, member, args, folder / "model.joblib")
        for name, test in tests.items():
            X = crop(test, member, args, folder / name)
            file = folder / "scores" / f"{name}.npz"
            scores[name].append(score(model, X, member, file))
    rows = [
        tabulate(scores[name], test, name, args.resamples)
        for name, test in tests.items()
    ]
    _report.print_table(rows)
    _report.write(rows, args.work / "table.json", recipe=args.recipe)
    with open(args.work / "table.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return rows


# -- command line ----------------------------------------------------------------------


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse and check the arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", choices=RECIPES)
    for name in DATASETS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, metavar="FOLDER")
    parser.add_argument("--work", type=Path, help="folder for all results")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--backbone", default="keras_hub:dinov3_vit_large_lvd1689m")
    parser.add_argument("--frames", type=int, help="frames per video")
    parser.add_argument("--size", type=int, default=224, help="crop size in pixels")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--jobs", type=int, default=-1, help="shards in parallel")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resamples", type=int, default=1000, help="for the bootstrap")
    args = parser.parse_args(argv)
    if args.dry_run and any(getattr(args, name) for name in DATASETS):
        parser.error("--dry-run renders its own datasets. Do not pass folders.")
    if not args.dry_run and not (args.faceforensics and args.work):
        parser.error("pass --faceforensics and --work, or --dry-run")
    if args.frames is None:
        args.frames = 35 if args.recipe == "blend" else 32
    return args


def keep_settings(args: argparse.Namespace) -> None:
    """Save the arguments in `--work`, or raise an error if others are saved there."""
    args.work.mkdir(parents=True, exist_ok=True)
    file = args.work / "settings.json"
    irrelevant = {"work", "jobs", "resamples"}
    settings = {k: str(v) for k, v in vars(args).items() if k not in irrelevant}
    if not file.exists():
        written(json.dumps(settings, indent=2), file)
    before = json.loads(file.read_text(encoding="utf-8"))
    changed = [k for k in settings if settings[k] != before.get(k)]
    if changed:
        raise SystemExit(
            f"{args.work} contains a run with another {', '.join(changed)}. "
            "Pass another --work."
        )


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    args = parse(argv)
    with tempfile.TemporaryDirectory(prefix="recipe-") as scratch:
        if args.dry_run:
            work = args.work or Path(scratch) / "work"
            data = work / "data"
            if not data.exists():
                make_miniatures(data)
            vars(args).update(
                {name: data / name for name in DATASETS},
                work=work,
                frames=2,
                size=32,
                epochs=1,
                batch_size=8,
                resamples=50,
            )
        keep_settings(args)
        return run(args)


if __name__ == "__main__":
    main()
