"""
Robustness to distortions
=========================

Videos on the web have often been compressed, resized, blurred and recolored, which can
remove the traces that a detector relies on.
:func:`~skdeepfake.evaluation.robustness_curve` scores a fitted pipeline on distorted
videos. It supports the seven distortions of DeeperForensics-1.0 at five levels. This
example uses three distortions at three levels.

The rendered fakes in this example are as sharp as the real videos. Blur removes the
small details in which they differ, so we expect it to lower the score.
"""

# %%
# Training a detector
# -------------------
import tempfile

from skdeepfake import make_detector_pipeline, make_videos

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    folder.name, n_real=14, n_fake=14, duration=0.5, size=(200, 240), random_state=0
)
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
train = videos.groups < 8
pipeline.fit(videos.data[train], videos.target[train])

# %%
# Distortions
# -----------
#
# :func:`~skdeepfake.perturbations.distort` applies a distortion to a frame.
import matplotlib.pyplot as plt

from skdeepfake.perturbations import DISTORTIONS, distort

distortions = ["JPEG", "GB", "GNC"]
levels = [1, 3, 5]
frame = next(iter(pipeline["sampler"].transform(videos.data[-1:])[0]))
figure, axes = plt.subplots(3, 4, figsize=(8, 5.6), layout="constrained")
for row, code in zip(axes, distortions, strict=True):
    for ax, level in zip(row, [0, *levels], strict=True):
        ax.imshow(distort(frame, code, level, random_state=0) if level else frame)
        ax.set(xticks=[], yticks=[], title=f"level {level}" if level else "clean")
    row[0].set_ylabel(DISTORTIONS[code].name)

# %%
# Scores
# ------
#
# We apply the distortions to both real and fake test clips. The table contains the
# score and the share of frames with a face, since the detector ignores all other
# frames.
from skdeepfake.evaluation import robustness_curve

curve = robustness_curve(
    pipeline,
    videos.data[~train],
    videos.target[~train],
    distortions=distortions,
    levels=levels,
)
print(curve)

# %%
from skdeepfake.evaluation import RobustnessDisplay

RobustnessDisplay(curve).plot()
plt.show()

# %%
# Compare the two panels. If no face is found because of the noise, all clips have the
# same probability, and the score is at chance level. In this case, the low score is
# caused by the face detection, not by the network. With only twelve clips, scores are
# coarse, since each pair of a real and a fake clip contributes 1/36 to the AUC. To make
# a network more robust, train it with ``augment="strong"``.
folder.cleanup()
