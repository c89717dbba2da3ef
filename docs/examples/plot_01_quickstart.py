"""
Quickstart
==========

This example renders synthetic videos, trains a pipeline on some of them, and predicts
one probability for each of the others.

:func:`~skdeepfake.datasets.make_videos` renders a moving portrait and fakes of it, so
you do not need to download any data. A detector trained on these videos does not
generalize to other videos.
"""

# %%
# Labeled videos
# ---------------
#
# We render twelve real videos and one fake of each. All loaders return paths, labels (0
# for real, 1 for fake), class names and groups. A fake is in the same group as its
# original.
import tempfile

from skdeepfake import make_videos

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    folder.name, n_real=12, n_fake=12, duration=0.5, size=(200, 240), random_state=0
)
print(len(videos.data), "videos, of which", videos.target.sum(), "are fake")

# %%
# A pipeline
# ----------
#
# The pipeline uses the CNN of Volisetty, Sen and Savala (2023), with smaller faces than
# in their paper. Since there are only a few videos, we increase the learning rate and
# train without a validation set.
from skdeepfake import make_detector_pipeline

pipeline = make_detector_pipeline(
    "cnn",
    n_frames=4,
    duration=None,
    margin=0.1,
    size=(48, 48),
    filters=(16, 32),
    dense_units=32,
    learning_rate=3e-3,
    momentum=0.8,
    batch_size=16,
    epochs=15,
    validation_fraction=None,
    random_state=0,
)
pipeline

# %%
# The pipeline samples frames, tracks a face and crops it. The detector only receives
# these crops.
from skdeepfake.plotting import FacesDisplay

pair = [videos.data[0], videos.data[12]]
FacesDisplay.from_estimator(pipeline, pair, titles=["real", "its fake"], max_frames=4)

# %%
# Training and prediction
# -----------------------
#
# A third of the real videos are held out for testing, together with their fakes. The
# score would be meaningless if a fake were in the test set and its original in the
# training set, since both are nearly identical.
from sklearn.model_selection import GroupShuffleSplit

splitter = GroupShuffleSplit(n_splits=1, test_size=1 / 3, random_state=0)
train, test = next(splitter.split(videos.data, videos.target, videos.groups))
pipeline.fit(videos.data[train], videos.target[train])
probability = pipeline.predict_proba(videos.data[test])[:, 1]

for label, p in zip(videos.target[test], probability, strict=True):
    print(f"{videos.target_names[label]:4}  probability of fake {p:.2f}")

# %%
# With eight test videos, the ROC curve has only a few steps.
import matplotlib.pyplot as plt
from sklearn.metrics import RocCurveDisplay

figure, ax = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
RocCurveDisplay.from_predictions(
    videos.target[test],
    probability,
    name="CNN, test videos",
    plot_chance_level=True,
    ax=ax,
)
plt.show()

# %%
folder.cleanup()
