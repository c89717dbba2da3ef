"""
Comparison of the paper's three detectors
=========================================

This example compares the three detectors of the paper by Volisetty, Sen and Savala
(2023) on the same synthetic videos. They are a CNN on faces, a recurrent network on
features of faces, and the discriminator of a GAN.

The example illustrates the interface and does not show which detector is best. The
videos are synthetic, and the networks are small enough to train in seconds. The
features are computed with random weights, so that the weights of VGG16 do not have to
be downloaded. The benchmarks compare the detectors on actual deepfakes.
"""

# %%
# Videos and split
# ----------------
#
# The split by groups keeps a real video and its fake together.
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
# All pipelines use four faces of 32 x 32 pixels per video. They share a cache, so that
# only the first pipeline decodes the videos.
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
# The recurrent network uses features, one vector for each of 8 x 8 positions of the
# face. They can be computed by any network that maps images to feature maps. In this
# example, the network consists of two convolutions with random weights. The default
# ``featurizer`` is the paper's :class:`~skdeepfake.features.VGG16Featurizer`, whose
# weights are downloaded by Keras.
import keras
from keras import layers

from skdeepfake import KerasFeaturizer


def random_backbone():
    """Build an untrained network that returns feature maps."""
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
# Training and comparison
# -----------------------
#
# The recommended detector, :class:`~skdeepfake.detectors.TransferDetector`, is
# available as ``make_detector_pipeline("transfer")``. It is not included here, since it
# fine-tunes a pretrained network that would have to be downloaded.
import matplotlib.pyplot as plt
from sklearn.metrics import RocCurveDisplay

figure, ax = plt.subplots(figsize=(5.5, 5), layout="constrained")
styles = {
    "CNN": (cnn, {"color": "#0072B2", "linestyle": "-"}),
    "CNN-RNN, random features": (cnn_rnn, {"color": "#D55E00", "linestyle": "--"}),
    "GAN": (gan, {"color": "#009E73", "linestyle": ":", "linewidth": 2.5}),
}
for name, (pipeline, style) in styles.items():
    pipeline.fit(videos.data[train], videos.target[train])
    RocCurveDisplay.from_estimator(
        pipeline,
        videos.data[test],
        videos.target[test],
        name=name,
        curve_kwargs=style,
        plot_chance_level=name == "GAN",
        ax=ax,
    )
ax.set_title("ROC curves on twelve test videos")
plt.show()

# %%
# With twelve test videos, the curves have only a few steps. For confidence intervals,
# see :func:`~skdeepfake.metrics.group_bootstrap`. For a complete report, see
# :func:`~skdeepfake.evaluation.evaluate`.
folder.cleanup()
