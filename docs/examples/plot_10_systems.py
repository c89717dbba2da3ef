"""
Systems from the literature
===========================

This example builds the detectors reviewed by Volisetty, Sen and Savala in "Deepfake
detection" (2023). Each of them is a pipeline of a few components, which can also be
combined in other ways.
"""

# %%
# Build a system by name
# ----------------------
#
# For each system, we print the number of bursts and of frames per burst, the region of
# the crop, and the steps after the resizer. Building a pipeline neither trains nor
# downloads anything. The user guide lists the
# :doc:`differences from the originals <../guide/systems>`.
from skdeepfake import make_detector_pipeline

names = [
    *("cnn", "frame_prediction", "multi_path", "regions", "optical_flow"),
    *("inception_lstm", "resnext_lstm", "motion_magnification", "blinking"),
    *("face_weighting", "gan", "discriminators", "reconstruction", "body"),
]
for name in names:
    pipeline = make_detector_pipeline(name, weights=None)
    sampler, cropper, _, *steps = pipeline.named_steps.values()
    slots = f"{sampler.n_frames} x {sampler.burst}, {cropper.region}"
    print(f"{name:22}{slots:40}{', '.join(type(step).__name__ for step in steps)}")

# %%
# Optical flow
# ------------
#
# ``"optical_flow"`` detects fakes by the motion between consecutive frames. In the flow
# images, hue encodes the direction of the motion, and saturation encodes its speed.
import tempfile

from matplotlib import pyplot as plt

from skdeepfake import make_videos

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    folder.name, n_real=6, n_fake=6, manipulation="splice", random_state=0
)
layout = {"n_frames": 3, "burst": 4, "duration": None}
pipeline = make_detector_pipeline("optical_flow", **layout, size=(96, 96), weights=None)
faces = pipeline[:3].transform(videos.data[:1])
flow = pipeline["stream"].transform(faces)

figure, axes = plt.subplots(2, 3, figsize=(6, 4.2), layout="constrained")
for k, (face, motion) in enumerate(zip(faces[0, 4:7], flow[0, 3:6], strict=True)):
    axes[0, k].imshow(face)
    axes[1, k].imshow(motion)
    axes[0, k].set_title(f"frame {k + 1} of a burst", fontsize="small")
    axes[1, k].set_title("motion to the next", fontsize="small")
for ax in axes.ravel():
    ax.axis("off")

# %%
# Combine components
# ------------------
#
# In spliced clips, the face jumps where two segments meet. To detect these clips, a
# linear classifier on the mean and the maximum speed is sufficient. A fake and its real
# video are in the same fold.
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdeepfake import DlibFaceCropper, Resizer, VideoFrameSampler
from skdeepfake.streams import OpticalFlow


def largest_motion(flow):
    """Return the mean and the maximum speed of each video, in pixels per frame."""
    speed = np.linalg.norm(flow.astype(np.float32), axis=-1).mean(axis=(2, 3))
    return np.column_stack([speed.mean(axis=1), speed.max(axis=1)])


own = make_pipeline(
    VideoFrameSampler(n_frames=1, burst=30, duration=None),
    DlibFaceCropper(box="burst", margin=0.2),
    Resizer((96, 96)),
    OpticalFlow(),
    FunctionTransformer(largest_motion),
    StandardScaler(),
    LogisticRegression(),
)
scores = cross_val_score(
    own,
    videos.data,
    videos.target,
    groups=videos.groups,
    cv=StratifiedGroupKFold(3),
    scoring="roc_auc",
)
print(f"AUC of three folds: {scores.round(2).tolist()}")
