"""Load the DeepFake Detection Challenge."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.utils import Bunch

from .._video_lists import parse_json
from ..exceptions import DatasetError
from ._records import (
    FAKE,
    REAL,
    DatasetIssues,
    Video,
    as_bunch,
    check_root,
    list_videos,
    stem,
    with_loader_docs,
)

METADATA = "metadata.json"
LABELS = "labels.csv"


class _Entry(NamedTuple):
    """Entry of a label file for one video."""

    label: int
    split: str | None = None
    original: str | None = None


@with_loader_docs
def load_dfdc(root: str | os.PathLike[str], *, as_frame: bool = False) -> Bunch:
    """List the videos of the DeepFake Detection Challenge (DFDC) [1]_.

    Each part, such as `dfdc_train_part_0`, contains videos and a ``metadata.json`` with
    the label, subset and original of each video. The labels of the test set are in a
    ``labels.csv`` with the columns `filename` and `label` (1 for fake). The videos of
    the test set may be in a subfolder `videos`.

    Parameters
    ----------
    root : str or os.PathLike
        Folder of one part, or folder that contains several parts.
    {{results}}

    Raises
    ------
    DatasetError
        If `root` is not a folder, if it contains no parts, or if a part contains no
        videos with a label. Also raised if labels are invalid, or if ``metadata.json``
        and ``labels.csv`` in the same folder contradict each other.

    Warns
    -----
    MissingVideosWarning
        If a listed video or the original of a fake is missing.
    DatasetWarning
        If videos without a label are ignored, or if several videos have the same name.
        Also issued if a fake has no original in ``metadata.json``, or if entries of
        ``metadata.json`` contradict each other.

    See Also
    --------
    load_faceforensics : List the videos of FaceForensics++, with identities.

    Notes
    -----
    The dataset specifies the original of each fake, but not the identities of actors.
    Each original therefore counts as one identity: a group contains one original and
    its fakes, and the same actor may appear in several groups. ``details["target"]`` is
    the name of the original and ``details["source"]`` is None. Each video in a
    ``labels.csv`` forms its own group, since its original is unknown.

    `split` is read from ``metadata.json``. It is ``"train"`` in all published training
    parts and None in the test set.

    References
    ----------
    .. [1] Dolhansky, B., Bitton, J., Pflaum, B., Lu, J., Howes, R., Wang, M. and
       Canton Ferrer, C. (2020). The DeepFake Detection Challenge (DFDC) dataset.
       arXiv:2006.07397.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from skdeepfake.datasets import load_dfdc
    >>> labels = {
    ...     "real.mp4": {"label": "REAL", "split": "train"},
    ...     "fake.mp4": {"label": "FAKE", "split": "train", "original": "real.mp4"},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "metadata.json").write_text(json.dumps(labels))
    ...     for name in labels:
    ...         Path(folder, name).touch()  # instead of a real video
    ...     videos = load_dfdc(folder)
    >>> videos.target, videos.groups
    (array([0, 1]), array([0, 0]))
    """
    root = check_root(root, f"the parts of DFDC, each with a {METADATA} or a {LABELS}")
    parts = [
        part
        for part in (root, *sorted(filter(Path.is_dir, root.iterdir())))
        if any((part / name).is_file() for name in (METADATA, LABELS))
    ]
    if not parts:
        raise DatasetError(
            f"Neither {str(root)!r} nor any of its subfolders contains a {METADATA} or "
            f"a {LABELS}."
        )
    issues = DatasetIssues()
    videos = [video for part in parts for video in _videos_of_part(part, issues)]
    _check_originals(videos, issues)
    return as_bunch(videos, issues, root, as_frame=as_frame)


def _videos_of_part(part: Path, issues: DatasetIssues) -> list[Video]:
    entries = _entries(part, issues)
    folder = part / "videos" if (part / "videos").is_dir() else part
    paths = list_videos(folder, "videos", issues)
    found = set(map(stem, paths))
    issues.missing(
        f"missing videos listed in {part.name}",
        [name for name in entries if name not in found],
    )
    issues.odd(
        f"videos without a label in {part.name}",
        [path for path in paths if stem(path) not in entries],
        "they are ignored",
    )
    videos = [
        Video(
            path=path,
            label=entry.label,
            target=entry.original or stem(path),
            original=entry.original,
            split=entry.split,
        )
        for path in paths
        if (entry := entries.get(stem(path)))
    ]
    if not videos:
        raise DatasetError(
            f"None of the {len(paths)} videos in {str(folder)!r} has a label; the "
            f"first video is {os.path.basename(paths[0])!r}."
        )
    return videos


def _entries(part: Path, issues: DatasetIssues) -> dict[str, _Entry]:
    """Return the entry of each video of a part, by name without extension."""
    entries: dict[str, _Entry] = {}
    if (part / METADATA).is_file():
        entries.update(_entries_of_metadata(part / METADATA, issues))
    if (part / LABELS).is_file():
        for name, entry in _entries_of_csv(part / LABELS).items():
            if entries.setdefault(name, entry).label != entry.label:
                raise DatasetError(
                    f"{name!r} is both real and fake: {METADATA} and {LABELS} in "
                    f"{str(part)!r} contradict each other."
                )
    return entries


def _entries_of_metadata(path: Path, issues: DatasetIssues) -> dict[str, _Entry]:
    metadata = parse_json(
        path.read_text(encoding="utf-8-sig"),
        repr(str(path)),
        dict,
        "names of videos with their labels",
    )
    entries: dict[str, _Entry] = {}
    without, too_many = [], []
    for name, values in metadata.items():
        # The metadata of the test set lists augmentations instead of labels.
        if not isinstance(values, dict) or "label" not in values:
            continue
        label = _label(values["label"], {"REAL": REAL, "FAKE": FAKE}, name, path)
        original = values.get("original")
        if label == REAL and original:
            too_many.append(name)
        elif label == FAKE and not original:
            without.append(name)
        entries[stem(name)] = _Entry(
            label,
            values.get("split"),
            stem(original) if original and label == FAKE else None,
        )
    where = f"in {path.parent.name}/{path.name}"
    issues.odd(f"fakes without an original {where}", without, "each is its own group")
    issues.odd(
        f"real videos with an original {where}", too_many, "the original is ignored"
    )
    return entries


def _entries_of_csv(path: Path) -> dict[str, _Entry]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if not {"filename", "label"} <= set(rows.fieldnames or ()):
            raise DatasetError(
                f"{str(path)!r} has the header {rows.fieldnames}; expected the header "
                "'filename,label'."
            )
        return {
            stem(row["filename"]): _Entry(
                _label(row["label"], {"0": REAL, "1": FAKE}, row["filename"], path)
            )
            for row in rows
        }


def _label(value: Any, labels: dict[str, int], name: str, path: Path) -> int:
    if value not in labels:
        raise DatasetError(
            f"{str(path)!r} has the label {value!r} for {name!r}; expected "
            f"{' or '.join(map(repr, labels))}."
        )
    return labels[value]


def _check_originals(videos: list[Video], issues: DatasetIssues) -> None:
    """Record issues that involve several parts."""
    by_name = {video.name: video for video in videos[::-1]}  # first of each name
    issues.odd(
        "videos with duplicate names",
        [v.path for v in videos if by_name[v.name] is not v],
        "all are kept",
    )
    pairs = [(v, by_name[v.original]) for v in videos if v.original in by_name]
    issues.odd(
        "fakes whose original is labeled as fake",
        [fake.path for fake, original in pairs if original.label == FAKE],
    )
    issues.odd(
        "fakes in a different split from their original",
        [fake.path for fake, original in pairs if fake.split != original.split],
    )
