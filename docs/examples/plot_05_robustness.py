"""
How a detector bears distortions
================================

On their way videos are compressed, shrunk, blurred and recolored. A detector that was
trained on clean ones may know fakes by what such a treatment takes away.
:func:`~skdeepfake.evaluation.robustness_curve` scores a fitted pipeline on distorted
copies of videos, the seven distortions of DeeperForensics-1.0 at five levels; here
three of them at three levels.

The clips are rendered toys, and the fakes are given away by a slight blur: so blur is
what should hurt.
"""

# %%
# A detector
# ----------
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
# What is done to a video
# -----------------------
#
# :func:`~skdeepfake.perturbations.distort` does it to one frame.
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
# The scores
# ----------
#
# On the clips that were not trained on, real and fake distorted alike. Beside each
# score stands the share of the frames in which a face was found: of the others a
# detector says nothing.
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
# Read both panels together. Where noise hides all faces, every clip gets the same
# answer and the score is that of guessing: it is the search for faces that fails, not
# the network. Twelve clips make coarse scores, too: one pair of clips in another order
# is 1/36 of an AUC. What helps a network is training on faces that are treated so,
# ``augment="strong"``.
folder.cleanup()
