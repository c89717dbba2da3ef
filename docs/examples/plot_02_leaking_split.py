"""
Data leakage between training and test frames
==============================================

Frames of the same video are nearly identical. If frames are split at random, a
classifier is tested on frames that resemble its training frames, and its score is too
high.

This example uses only real videos and randomly labels half of them as fake. There is
nothing to learn, so any score above chance level is due to leakage.
"""

# %%
# Real clips with random labels
# -----------------------------
#
# We render sixteen recordings. They all show the same portrait. Groups by person would
# put all frames into one group, so this example groups the frames by recording.
import tempfile

import numpy as np

from skdeepfake import DlibFaceCropper, Resizer, VideoFrameSampler, make_videos

with tempfile.TemporaryDirectory() as folder:
    videos = make_videos(
        folder, n_real=16, n_fake=1, duration=0.5, size=(200, 240), random_state=0
    )
    real = videos.target == 0
    clips = VideoFrameSampler(n_frames=6, duration=None).transform(videos.data[real])
    crops = DlibFaceCropper(margin=0.1).fit_transform(clips)
faces = Resizer((16, 16)).fit_transform(crops)
print(faces.shape)

# %%
# Each frame with a face is a sample, as in much of the literature. We use a
# nearest-neighbor classifier, which predicts the label of the most similar training
# frame. It is fast enough to repeat the experiment with many random labelings. The
# benchmarks show the same effect for the CNN of Volisetty, Sen and Savala (2023).
video, slot = np.nonzero(faces.any(axis=(2, 3, 4)))
X = faces[video, slot].reshape(len(video), -1) / 255
print(len(X), "frames of", len(faces), "videos")

# %%
# Two protocols
# -------------
#
# Both protocols have four folds. The first splits frames at random. The second keeps
# all frames of a recording in the same fold, since the recording is passed as their
# group. If any groups are in both the training and the test set,
# :func:`~skdeepfake.model_selection.check_no_leakage` raises an error that names them.
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from skdeepfake.exceptions import LeakageError
from skdeepfake.model_selection import check_no_leakage

protocols = {
    "frames at random": (StratifiedKFold(4, shuffle=True, random_state=0), None),
    "whole recordings": (StratifiedGroupKFold(4, shuffle=True, random_state=0), video),
}
y = (video < 8).astype(int)
for name, (folds, groups) in protocols.items():
    train, test = next(folds.split(X, y, groups))
    try:
        check_no_leakage(train, test, video)
        print(f"{name}: no shared group")
    except LeakageError as error:
        print(f"{name}: {error}")

# %%
# Scores for random labels
# ------------------------
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

classifier = KNeighborsClassifier(n_neighbors=1)
rng = np.random.RandomState(0)
scores = {name: [] for name in protocols}
for _ in range(20):
    called_fake = rng.permutation(len(faces))[: len(faces) // 2]
    y = np.isin(video, called_fake).astype(int)
    for name, (folds, groups) in protocols.items():
        auc = cross_val_score(
            classifier, X, y, groups=groups, cv=folds, scoring="roc_auc"
        )
        scores[name].append(auc.mean())

# %%
# The bars show the mean over twenty random labelings, and the whiskers show the
# central 90% of the scores.
import matplotlib.pyplot as plt

means = [np.mean(scores[name]) for name in protocols]
ranges = [np.quantile(scores[name], [0.05, 0.95]) for name in protocols]
whiskers = np.abs(np.transpose(ranges) - means)

figure, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
ax.bar(list(protocols), means, yerr=whiskers, capsize=6, width=0.55, color="#56B4E9")
for place, mean in enumerate(means):
    ax.text(place, 0.04, f"{mean:.2f}", ha="center", fontsize="large")
ax.axhline(0.5, color="0.3", linestyle=":")
ax.text(0.5, 0.51, "chance", color="0.3", ha="center", fontsize="small")
ax.set(ylim=(0, 1.05), ylabel="AUC", title="Random labels: chance level is 0.5")
plt.show()

# %%
# If frames are split at random, the score is far above chance level, since the training
# set contains other frames of the same recordings with the same labels. If recordings
# are kept whole, the mean score is close to chance level. Individual scores vary
# widely, since there are only sixteen recordings.
#
# In practice, pass ``groups`` to the splitter. Also pass ``detector__groups`` to the
# ``fit`` method of the pipeline: the detector holds out some of the videos for early
# stopping and needs the groups to keep them together.
