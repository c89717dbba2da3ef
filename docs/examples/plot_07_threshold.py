"""
Choosing a threshold and calibrating probabilities
==================================================

Among the videos for which a network predicts a probability of 0.8, the share of fakes
can differ from 80%. Likewise, 0.5 is not always the best threshold. Choose the
threshold and calibrate the probabilities on validation videos, and evaluate both on
test videos.

The scores in this example are noisy, since there are only a few rendered clips.
"""

# %%
# Training, validation and test sets
# ----------------------------------
#
# A clip and its fake are always in the same set.
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
training, validation, test = (videos.groups % 3 == part for part in range(3))

# %%
# We train a small network for a short time. The cache is used so that each clip is
# decoded only once.
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
# Choosing a threshold
# --------------------
#
# :func:`~skdeepfake.metrics.choose_threshold` maximizes the balanced accuracy on the
# validation set. We evaluate the threshold on the test set.
from skdeepfake.metrics import balanced_accuracy_at, choose_threshold

chosen = choose_threshold(y[validation], pipeline.predict_proba(X[validation])[:, 1])
score = pipeline.predict_proba(X[test])[:, 1]
for threshold in (0.5, chosen):
    accuracy = balanced_accuracy_at(y[test], score, threshold=threshold)
    print(f"threshold {threshold:.2f}: balanced accuracy {accuracy:.2f}")

# %%
# Use scikit-learn's :class:`~sklearn.model_selection.FixedThresholdClassifier` to store
# the threshold with the model.
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier

decider = FixedThresholdClassifier(FrozenEstimator(pipeline), threshold=chosen)
decider.fit(X[validation], y[validation])  # does not train
print(f"classified as fake: {decider.predict(X[test]).sum()} of {test.sum()}")

# %%
# Calibrating probabilities
# -------------------------
#
# :class:`~sklearn.calibration.CalibratedClassifierCV` fits a function that maps the
# predicted probabilities to observed shares of fakes. The network is frozen, so it is
# not trained again. The AUC does not change, since the function is monotonic.
from sklearn.calibration import CalibratedClassifierCV

calibrated = CalibratedClassifierCV(FrozenEstimator(pipeline), method="sigmoid")
calibrated.fit(X[validation], y[validation])

# %%
# On the diagonal, the predicted probabilities equal the observed shares of fakes. The
# number next to each point is the number of videos.
import matplotlib.pyplot as plt

from skdeepfake.evaluation import ReliabilityDisplay

figure, ax = plt.subplots(figsize=(5.5, 5.2), layout="constrained")
ReliabilityDisplay.from_estimator(
    pipeline, X[test], y[test], n_bins=5, name="as trained", ax=ax
)
ReliabilityDisplay.from_estimator(
    calibrated,
    X[test],
    y[test],
    n_bins=5,
    name="calibrated",
    ax=ax,
    color="#D55E00",
    marker="s",
)
plt.show()

# %%
# Calibration is only valid for videos that are similar to the validation videos, with
# the same share of fakes. In this example, half of the videos are fake. In practice,
# the share is usually much smaller.
folder.cleanup()
