"""
A split that leaks, and one that does not
=========================================

What does a cross-validation find where there is nothing to be found? Frames of one
video are near copies of each other. Split them at random, and a classifier is asked
about what it has seen.

The control is simple: take real videos only, and call half of the people fake by
chance. Whatever a protocol finds then is its own making.
"""

# %%
# Real clips, labelled by chance
# ------------------------------
#
# Sixteen rendered clips, each a recording of its own. They are toys, and one portrait
# stands for all of their people; a recording takes the place of an identity here.
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
# Each frame with a face becomes a sample of its own, as in much of the literature. The
# classifier is one that does nothing but remember: it gives the label of the most
# similar frame. So this page takes seconds, and the labels can be drawn many times. A
# network falls into the same trap; of the paper's CNN the figures are in the
# benchmarks.
video, slot = np.nonzero(faces.any(axis=(2, 3, 4)))
X = faces[video, slot].reshape(len(video), -1) / 255
print(len(X), "frames of", len(faces), "videos")

# %%
# Two protocols
# -------------
#
# Both have four folds. One deals frames, the other whole recordings, for which it is
# told the group of each frame.
# :func:`~skdeepfake.model_selection.check_no_leakage` names the groups on both sides.
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
# Twenty draws of the labels
# --------------------------
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
# The bars are means over the draws, the whiskers hold the middle 90 % of them.
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
ax.set(ylim=(0, 1.05), ylabel="AUC", title="Labels by chance: nothing to be found")
plt.show()

# %%
# Frames at random score as if the labels meant something: the classifier has seen other
# frames of the same recordings, and knows how those were labelled. Whole recordings
# score about what there is to be found, nothing. Some draws lie above one half and some
# below: sixteen recordings are few, and one score of so few says little.
#
# In practice: pass ``groups=`` to the splitter and, by ``detector__groups=``, to the
# detector, which holds out some of the videos for early stopping.
