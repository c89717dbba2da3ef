"""
Explaining predictions with Grad-CAM
====================================

Grad-CAM shows where in a face a network finds evidence, and a timeline shows in which
frames. A network does not necessarily use the manipulated pixels. To compare the
evidence with these pixels, this example uses rendered clips, in which they are known.
"""

# %%
# Training a detector
# -------------------
#
# We render twelve clips and a fake of each. The last pair is the test set.
import tempfile

from skdeepfake import make_detector_pipeline, make_videos

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    folder.name, n_real=12, n_fake=12, duration=0.6, size=(200, 240), random_state=0
)
pipeline = make_detector_pipeline(
    "cnn",
    n_frames=5,
    duration=None,
    margin=0.1,
    size=(48, 48),
    filters=(16, 32, 64),
    dense_units=32,
    dropout=0.25,
    learning_rate=3e-3,
    momentum=0.8,
    batch_size=16,
    epochs=15,
    validation_fraction=None,
    random_state=0,
)
train = videos.groups < 11
pipeline.fit(videos.data[train], videos.target[train])
real, fake = videos.data[~train]

# %%
# Evidence over time
# ------------------
#
# The timeline shows the probabilities of the frames and their mean, which is the
# probability of the video.
from skdeepfake.plotting import TimelineDisplay

TimelineDisplay.from_estimator(pipeline, fake, title="an unseen fake")

# %%
# Evidence in the face
# --------------------
#
# The heatmaps show the evidence for "fake" in the faces of both clips. Opaque areas
# contain more evidence than transparent areas. The heatmaps are computed with HiResCAM,
# a variant of Grad-CAM that is more accurate for networks that flatten their feature
# maps, such as this one. The heatmaps also explain wrong predictions, which are
# frequent here, since the network was trained on only eleven pairs.
from skdeepfake.plotting import AttributionDisplay

AttributionDisplay.from_estimator(pipeline, [real, fake], titles=["real", "its fake"])

# %%
# Comparison with the manipulated pixels
# --------------------------------------
#
# The fake has the same frames as the real clip, apart from the manipulation and
# compression noise. We therefore plot the difference between the first frames of both
# clips. Next to it, we plot the evidence in the face crop of the fake's first frame.
import matplotlib.pyplot as plt
import numpy as np

from skdeepfake.inspection import grad_cam, overlay

clips = pipeline["sampler"].transform([real, fake])
before, after = (next(iter(clip)).astype(float) for clip in clips)
changed = np.abs(after - before).mean(axis=2)
face = pipeline[:-1].transform([fake])[0, 0]
(evidence,) = grad_cam(pipeline[-1], face[np.newaxis], weights="position")[0]

pictures = {
    "frame of the fake": after.astype(np.uint8),
    "manipulated pixels": changed,
    "evidence in the face": overlay(face, evidence),
}
figure, axes = plt.subplots(1, 3, figsize=(8.5, 2.6), layout="constrained")
for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(picture, cmap="viridis")
    ax.set(xticks=[], yticks=[], title=title)
plt.show()

# %%
# If the evidence and the manipulated pixels differ, the network has learned something
# other than the manipulation, or uses only a part of it. For real data, the manipulated
# pixels are rarely known. Inspect many faces before you draw conclusions.
folder.cleanup()
