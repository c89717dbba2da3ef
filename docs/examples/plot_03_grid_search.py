"""
Grid search with a cache of face crops
======================================

A grid search can tune the parameters of every step, including those before the network.
With a cache of face crops, videos are not decoded again for every candidate and fold.

This example uses rendered clips. The best margin for filmed videos may differ.
"""

# %%
# A pipeline with a cache
# -----------------------
#
# ``memory`` is the folder of the cache. Each entry contains the crops of one video, for
# one set of sampling and cropping parameters.
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
# Two margins and two learning rates on two folds result in eight fits. A clip and its
# fake are always in the same fold.
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
# Each fit and its evaluation need the crops of all videos. However, each video is
# decoded only once per margin. After that, its crops are read from the cache.
from skdeepfake import CropCache

memory = pipeline["cropper"].memory
cache = CropCache(memory)
n_trainings = len(search.cv_results_["params"]) * search.n_splits_
print(f"crops requested: {n_trainings * len(videos.data)} times")
print(f"videos decoded:  {len(cache)} times")
assert len(cache) == len(grid["cropper__margin"]) * len(videos.data)

# %%
# These clips are only half a second long. For longer videos, the cache saves more time.
from time import perf_counter

for name, place in {"without": None, "with": memory}.items():
    pipeline.set_params(cropper__memory=place)
    began = perf_counter()
    pipeline[:-1].transform(videos.data)
    print(f"{name} the cache: {perf_counter() - began:.2f} s")

# %%
# Results
# -------
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
figure.colorbar(image, label="mean AUC (AUC per fold in parentheses)", extend="min")
plt.show()

# %%
# For a single candidate, the scores on the two folds differ about as much as the mean
# scores of different candidates. Ten pairs of clips are therefore too few to select the
# best candidate. Moreover, the best of several scores is too optimistic. Evaluate the
# best candidate on unseen videos, or use nested cross-validation.
folder.cleanup()
