"""
Quickstart
==========

From paths of videos to one probability a video: clips are rendered, a pipeline is
trained on some of them and asked about the others.

The clips of :func:`~skdeepfake.datasets.make_videos` are toys. They show one portrait
that moves, and fakes of it; nothing has to be downloaded. What a detector learns from
them is of no use on other videos.
"""

# %%
# Labeled videos
# ---------------
#
# Twelve recordings and a fake of each. Every loader gives the same four things: paths,
# labels (0 is real, 1 is fake), the names of the labels, and groups. A fake is in the
# group of the recording that it was made from.
import tempfile

from skdeepfake import make_videos

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    folder.name, n_real=12, n_fake=12, duration=0.5, size=(200, 240), random_state=0
)
print(len(videos.data), "clips, of which", videos.target.sum(), "are fakes")

# %%
# A pipeline
# ----------
#
# The paper's first network on smaller faces. With so few clips it takes larger steps
# than the paper's, and none are held out for early stopping.
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
# Frames are sampled, a face is followed through them and cut out. These crops are all
# that the detector will see.
from skdeepfake.plotting import FacesDisplay

pair = [videos.data[0], videos.data[12]]
FacesDisplay.from_estimator(pipeline, pair, titles=["real", "its fake"], max_frames=4)

# %%
# Train and ask
# -------------
#
# A third of the recordings is kept back, each with its fake. Frames of one video are
# near copies of each other, and so are a fake and its original: if they were on both
# sides, the score would be of no worth.
from sklearn.model_selection import GroupShuffleSplit

splitter = GroupShuffleSplit(n_splits=1, test_size=1 / 3, random_state=0)
train, test = next(splitter.split(videos.data, videos.target, videos.groups))
pipeline.fit(videos.data[train], videos.target[train])
probability = pipeline.predict_proba(videos.data[test])[:, 1]

for label, answer in zip(videos.target[test], probability, strict=True):
    print(f"{videos.target_names[label]:4}  probability of fake {answer:.2f}")

# %%
# Eight clips are few, and the curve has as many steps.
import matplotlib.pyplot as plt
from sklearn.metrics import RocCurveDisplay

figure, ax = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
RocCurveDisplay.from_predictions(
    videos.target[test],
    probability,
    name="CNN, clips not trained on",
    plot_chance_level=True,
    ax=ax,
)
plt.show()

# %%
folder.cleanup()
