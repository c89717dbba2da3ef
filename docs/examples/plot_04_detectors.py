"""
The paper's three detectors, side by side
=========================================

A CNN over faces, a recurrent network over features of faces, and the discriminator of a
GAN, on the same rendered clips.

Read the curves as a picture of the interface and not of the detectors. The clips are
toys, the networks are made small to be trained in seconds, and the features come from
random weights: those that the second detector is meant for, of a VGG16 that knows
ImageNet, would have to be downloaded. On real faces the order is another; it is in the
benchmarks.
"""

# %%
# Clips and a split
# -----------------
#
# A clip and its fake are on one side.
import tempfile
from pathlib import Path

from sklearn.model_selection import GroupShuffleSplit

from skdeepfake import make_videos

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    Path(folder.name, "videos"),
    n_real=14,
    n_fake=14,
    duration=0.5,
    size=(200, 240),
    random_state=0,
)
splitter = GroupShuffleSplit(n_splits=1, test_size=6, random_state=0)
train, test = next(splitter.split(videos.data, videos.target, videos.groups))

# %%
# Three pipelines
# ---------------
#
# What is the same for all: four faces of 32 x 32 pixels a clip, from one cache, so that
# only the first pipeline decodes anything.
from skdeepfake import make_detector_pipeline
from skdeepfake.detectors import Generator

shared = {
    "n_frames": 4,
    "duration": None,
    "margin": 0.1,
    "size": (32, 32),
    "memory": Path(folder.name, "cache"),
    "batch_size": 16,
    "validation_fraction": None,
    "random_state": 0,
}
cnn = make_detector_pipeline(
    "cnn",
    filters=(16, 32),
    dense_units=32,
    momentum=0.8,
    learning_rate=3e-3,
    epochs=12,
    **shared,
)
gan = make_detector_pipeline(
    "gan",
    discriminator_filters=(16, 32),
    generator=Generator(
        filters=(32, 16, 16), noise_dim=16, momentum=0.8, learning_rate=1e-3
    ),
    learning_rate=1e-3,
    epochs=12,
    **shared,
)

# %%
# The second detector reads features, a vector for each of 8 x 8 positions of the face.
# Any network from images to maps gives them; here two convolutions of random weights.
# For the paper's, leave ``featurizer`` out: then it is a
# :class:`~skdeepfake.features.VGG16Featurizer`, whose weights Keras downloads once.
import keras
from keras import layers

from skdeepfake import KerasFeaturizer


def random_backbone():
    """Build a network that knows nothing, but gives maps of features."""
    first, second = (keras.initializers.HeNormal(seed) for seed in (0, 1))
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Rescaling(1 / 127.5, -1),
            layers.Conv2D(
                16, 3, 2, "same", activation="relu", kernel_initializer=first
            ),
            layers.Conv2D(
                32, 3, 2, "same", activation="relu", kernel_initializer=second
            ),
        ]
    )


cnn_rnn = make_detector_pipeline(
    "cnn_rnn",
    featurizer=KerasFeaturizer(random_backbone),
    units=(16,),
    cell="gru",
    learning_rate=1e-2,
    epochs=12,
    **shared,
)

# %%
# Train and compare
# -----------------
#
# :class:`~skdeepfake.detectors.TransferDetector`, the one to deploy, would be a fourth
# line, ``make_detector_pipeline("transfer")``. It goes on from a network that was
# trained on millions of pictures; with random weights there is nothing to go on from,
# so it is left out.
import matplotlib.pyplot as plt
from sklearn.metrics import RocCurveDisplay

figure, ax = plt.subplots(figsize=(5.5, 5), layout="constrained")
looks = {
    "CNN": (cnn, {"color": "#0072B2", "linestyle": "-"}),
    "CNN-RNN, random features": (cnn_rnn, {"color": "#D55E00", "linestyle": "--"}),
    "GAN": (gan, {"color": "#009E73", "linestyle": ":", "linewidth": 2.5}),
}
for name, (pipeline, look) in looks.items():
    pipeline.fit(videos.data[train], videos.target[train])
    RocCurveDisplay.from_estimator(
        pipeline,
        videos.data[test],
        videos.target[test],
        name=name,
        curve_kwargs=look,
        plot_chance_level=name == "GAN",
        ax=ax,
    )
ax.set_title("Twelve clips that were not trained on")
plt.show()

# %%
# Twelve clips make a curve of a few steps. For an interval, see
# :func:`~skdeepfake.metrics.group_bootstrap`; for all figures at once,
# :func:`~skdeepfake.evaluation.evaluate`.
folder.cleanup()
