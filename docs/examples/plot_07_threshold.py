"""
A threshold, and probabilities that mean something
==================================================

A network's 0.8 is not a promise that eight of ten such videos are fake, and one half
need not be the best threshold. Both can be mended on videos that the network was not
trained on, and both are judged on yet others.

The clips are rendered toys, and few: the figures show how it is done, and that such
figures waver.
"""

# %%
# Three sets
# ----------
#
# One to train, one to choose, one to judge. A clip and its fake are in the same one.
import tempfile
from pathlib import Path

from skdeepfake import make_detector_pipeline, make_videos

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    Path(folder.name, "videos"),
    n_real=24,
    n_fake=24,
    duration=0.3,
    size=(200, 240),
    random_state=0,
)
X, y = videos.data, videos.target
training, choosing, judging = (videos.groups % 3 == part for part in range(3))

# %%
# A small network, trained for a short time, and a cache since the pipeline will be
# asked about the same clips again.
pipeline = make_detector_pipeline(
    "cnn",
    n_frames=4,
    duration=None,
    margin=0.1,
    size=(32, 32),
    memory=Path(folder.name, "cache"),
    filters=(8,),
    dense_units=16,
    learning_rate=3e-3,
    momentum=0.8,
    batch_size=16,
    epochs=12,
    validation_fraction=None,
    random_state=0,
)
pipeline.fit(X[training], y[training])

# %%
# A threshold
# -----------
#
# :func:`~skdeepfake.metrics.choose_threshold` takes the one that tells most videos of
# the second set right. What it is worth is seen on the third.
from skdeepfake.metrics import balanced_accuracy_at, choose_threshold

chosen = choose_threshold(y[choosing], pipeline.predict_proba(X[choosing])[:, 1])
score = pipeline.predict_proba(X[judging])[:, 1]
for threshold in (0.5, chosen):
    accuracy = balanced_accuracy_at(y[judging], score, threshold=threshold)
    print(f"threshold {threshold:.2f}: balanced accuracy {accuracy:.2f}")

# %%
# To keep it with the model, wrap both in scikit-learn's
# :class:`~sklearn.model_selection.FixedThresholdClassifier`.
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier

decider = FixedThresholdClassifier(FrozenEstimator(pipeline), threshold=chosen)
decider.fit(X[choosing], y[choosing])  # trains nothing
print(f"called fake: {decider.predict(X[judging]).sum()} of {judging.sum()}")

# %%
# Probabilities
# -------------
#
# :class:`~sklearn.calibration.CalibratedClassifierCV` fits a curve that turns what the
# network says into shares that come true. The network itself is frozen, so nothing is
# trained again. The order of the videos stays, and with it the AUC.
from sklearn.calibration import CalibratedClassifierCV

calibrated = CalibratedClassifierCV(FrozenEstimator(pipeline), method="sigmoid")
calibrated.fit(X[choosing], y[choosing])

# %%
# On the diagonal, probabilities are what they say. The figures at the points are
# videos.
import matplotlib.pyplot as plt

from skdeepfake.evaluation import ReliabilityDisplay

figure, ax = plt.subplots(figsize=(5.5, 5.2), layout="constrained")
ReliabilityDisplay.from_estimator(
    pipeline, X[judging], y[judging], n_bins=5, name="as trained", ax=ax
)
ReliabilityDisplay.from_estimator(
    calibrated,
    X[judging],
    y[judging],
    n_bins=5,
    name="calibrated",
    ax=ax,
    color="#D55E00",
    marker="s",
)
plt.show()

# %%
# A calibration holds for videos as those that it was made on, and for their share of
# fakes: here every second one, in the world far fewer. No calibration makes a
# probability a proof.
folder.cleanup()
