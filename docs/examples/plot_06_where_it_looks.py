"""
Where the network looks
=======================

Grad-CAM says where in a face a network finds its evidence, a timeline says when. Both
show what the network uses, which need not be what makes a fake a fake. On rendered
clips the two can be compared: what was changed is known.
"""

# %%
# A detector
# ----------
#
# Twelve recordings and a fake of each, toys all of them. The last pair is kept back.
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
# When
# ----
#
# The probability of each frame, and that of the video, their mean.
from skdeepfake.plotting import TimelineDisplay

TimelineDisplay.from_estimator(pipeline, fake, title="a fake not trained on")

# %%
# Where
# -----
#
# Evidence for "fake" over the faces of both clips, the stronger the more opaque; below,
# the probability of each frame. The maps are those of HiResCAM, a kind of Grad-CAM that
# is truer for networks which flatten their maps, as this one does. They explain an
# answer, be it right or wrong, and a network that has seen eleven pairs is often wrong.
from skdeepfake.plotting import AttributionDisplay

AttributionDisplay.from_estimator(pipeline, [real, fake], titles=["real", "its fake"])

# %%
# And what was changed?
# ---------------------
#
# A fake repeats its recording frame by frame, so the difference of the two is what the
# forger did, but for the noise of the encoder. Beside it, the evidence in the face that
# was cut out of this frame.
import matplotlib.pyplot as plt
import numpy as np

from skdeepfake.inspection import grad_cam, overlay

clips = pipeline["sampler"].transform([real, fake])
before, after = (next(iter(clip)).astype(float) for clip in clips)
changed = np.abs(after - before).mean(axis=2)
face = pipeline[:-1].transform([fake])[0, 0]
(evidence,) = grad_cam(pipeline[-1], face[np.newaxis], weights="position")[0]

pictures = {
    "a frame of the fake": after.astype(np.uint8),
    "what was changed in it": changed,
    "evidence in its face": overlay(face, evidence),
}
figure, axes = plt.subplots(1, 3, figsize=(8.5, 2.6), layout="constrained")
for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(picture, cmap="viridis")
    ax.set(xticks=[], yticks=[], title=title)
plt.show()

# %%
# Where the two disagree, the network has learnt something else than the forgery, or
# needs only a part of it. On real data there is seldom such a middle picture; look at
# many faces before you believe in a pattern.
folder.cleanup()
