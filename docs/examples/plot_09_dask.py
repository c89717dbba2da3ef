"""
Preprocessing on a cluster
==========================

Decoding and face detection take most of the time before training, and each video is an
independent task. Preprocessing is parallelized with joblib, so it can run on a Dask
cluster. The results are identical to those on a single machine.
"""

# %%
# Preprocessing without a cluster
# -------------------------------
#
# We render a few clips and build a pipeline that turns their paths into an array of
# faces. These steps do not import TensorFlow.
import tempfile

import numpy as np
from sklearn.pipeline import make_pipeline

from skdeepfake import DlibFaceCropper, Resizer, VideoFrameSampler, make_videos

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    folder.name, n_real=8, n_fake=8, duration=0.8, size=(200, 240), random_state=0
)
steps = make_pipeline(
    VideoFrameSampler(n_frames=8, duration=None),
    DlibFaceCropper(margin=0.1),
    Resizer((96, 96)),
)
faces = steps.fit_transform(videos.data)
print(faces.shape)

# %%
# Preprocessing on a cluster
# --------------------------
#
# We start two local workers as threads. With ``processes=True``, Dask's default, each
# worker is a new Python process, which takes seconds to start. In a script, the
# following code must then be inside an ``if __name__ == "__main__":`` block, since the
# new processes import the script. To use an existing cluster, pass the address of its
# scheduler: ``Client("tcp://scheduler:8786")``.
import joblib
from distributed import Client, LocalCluster, get_task_stream

with (
    LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster,
    Client(cluster) as client,
    get_task_stream(client) as stream,
    joblib.parallel_config(backend="dask"),
):
    on_cluster = steps.fit_transform(videos.data)

assert np.array_equal(on_cluster, faces)
print("identical faces:", len(on_cluster), "videos")

# %%
# Plot the tasks of each worker
# -----------------------------
#
# Dask records all tasks, and each bar is one of them. The first tasks sample frames
# without decoding, the next tasks decode the frames and detect faces, and the last
# tasks resize the crops.
import matplotlib.pyplot as plt

runs = [
    (task["worker"], part["start"], part["stop"])
    for task in stream.data
    for part in task["startstops"]
    if part["action"] == "compute"
]
began = min(start for _, start, _ in runs)
workers = sorted({worker for worker, _, _ in runs})

figure, ax = plt.subplots(figsize=(7.5, 2.6), layout="constrained")
for worker, start, stop in runs:
    ax.barh(
        workers.index(worker),
        stop - start,
        left=start - began,
        color="#56B4E9",
        edgecolor="black",
    )
ax.set_yticks(range(len(workers)), [f"worker {k + 1}" for k in range(len(workers))])
ax.set(xlabel="seconds", title=f"{len(runs)} tasks on {len(workers)} workers")
plt.show()

# %%
# For such a small dataset, a cluster is not faster than a single machine. Use a cluster
# for hundreds of videos or more. A grid search in the same ``with`` block also runs its
# folds on the cluster.
folder.cleanup()
