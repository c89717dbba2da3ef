"""
A grid search that decodes once
===============================

Every parameter of every step can be searched, also those of the steps before the
network. A cache of crops keeps that from costing a decoding a candidate and fold.

The clips are rendered toys: which margin wins here says nothing about other videos.
"""

# %%
# A pipeline with a cache
# -----------------------
#
# ``memory=`` names a folder. There the crops of a video are found again by the video,
# the sampling and the parameters of the cropper.
import tempfile
from pathlib import Path

from skdeepfake import make_detector_pipeline, make_videos

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    Path(folder.name, "videos"),
    n_real=10,
    n_fake=10,
    duration=0.5,
    size=(200, 240),
    random_state=0,
)
pipeline = make_detector_pipeline(
    "cnn",
    n_frames=4,
    duration=None,
    size=(32, 32),
    memory=Path(folder.name, "cache"),
    filters=(16, 32),
    dense_units=32,
    momentum=0.8,
    epochs=10,
    validation_fraction=None,
    random_state=0,
)

# %%
# The search
# ----------
#
# Two margins around the face by two learning rates, on two folds: eight trainings. A
# clip and its fake stay in one fold.
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

grid = {
    "cropper__margin": [0.0, 0.3],
    "detector__learning_rate": [3e-4, 3e-3],
}
search = GridSearchCV(
    pipeline,
    grid,
    cv=StratifiedGroupKFold(2, shuffle=True, random_state=0),
    scoring="roc_auc",
    refit=False,
)
search.fit(videos.data, videos.target, groups=videos.groups)

# %%
# Each candidate and fold asks for the crops of all videos, some to train and the others
# to score. What was decoded is in the cache: an entry a video and margin, and no more.
from skdeepfake import CropCache

memory = pipeline["cropper"].memory
cache = CropCache(memory)
n_trainings = len(search.cv_results_["params"]) * search.n_splits_
print(f"crops of a video asked for: {n_trainings * len(videos.data)} times")
print(f"videos decoded:             {len(cache)} times")
assert len(cache) == len(grid["cropper__margin"]) * len(videos.data)

# %%
# The longer the clips, the more that is worth. These last half a second each.
from time import perf_counter

for name, place in {"without": None, "with": memory}.items():
    pipeline.set_params(cropper__memory=place)
    began = perf_counter()
    pipeline[:-1].transform(videos.data)
    print(f"{name} the cache: {perf_counter() - began:.2f} s")

# %%
# What was found
# --------------
import matplotlib.pyplot as plt
import numpy as np

margins, rates = grid["cropper__margin"], grid["detector__learning_rate"]
mean = np.reshape(search.cv_results_["mean_test_score"], (len(margins), len(rates)))
folds = [search.cv_results_[f"split{k}_test_score"] for k in range(search.n_splits_)]
folds = np.reshape(folds, (search.n_splits_, len(margins), len(rates)))

figure, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
image = ax.imshow(mean, vmin=0.5, vmax=1, cmap="viridis")
for (i, j), score in np.ndenumerate(mean):
    parts = " and ".join(f"{fold[i, j]:.2f}" for fold in folds)
    ax.text(
        j,
        i,
        f"{score:.2f}\n({parts})",
        ha="center",
        va="center",
        color="black" if score > 0.8 else "white",
    )
ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
ax.set_yticks(range(len(margins)), [f"{margin:g}" for margin in margins])
ax.set(xlabel="learning rate", ylabel="margin around the face")
figure.colorbar(image, label="AUC, mean of the folds (their own below)", extend="min")
plt.show()

# %%
# The two folds of a candidate differ about as much as the candidates do: ten pairs of
# clips decide nothing. And a score that was chosen as the best of several is too good;
# what the winner is worth is seen on videos that the search has not seen, or by nested
# cross-validation.
folder.cleanup()
