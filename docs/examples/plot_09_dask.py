"""
Preprocessing on a cluster
==========================

Decoding and the search for faces take most of the time before training, and each video
is a task of its own. All of it goes through joblib, so Dask can do it, on one machine
or on many. The result is the same to the last bit.
"""

# %%
# Without a cluster
# -----------------
#
# Rendered clips, and the steps from paths to arrays of faces. TensorFlow is not loaded
# for these.
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
# With one
# --------
#
# Two workers on this machine, as threads: they start at once. With ``processes=True``,
# Dask's default, each starts Python afresh, which takes seconds; and in a script all
# that follows must then stand below ``if __name__ == "__main__":``, since the new
# processes read the script. For a cluster that runs elsewhere, pass the address of its
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
print("the same faces, to the last bit:", len(on_cluster), "videos")

# %%
# Who did what
# ------------
#
# Dask keeps a record of the tasks. Each bar is one of them, on the worker that did it:
# first sampling, which decodes nothing yet, then decoding and the search for faces, and
# resizing at the end.
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
# So little work is done no faster by a cluster than without. It is worth its while from
# some hundred videos on, or where one machine does not suffice. A grid search within
# the same block runs its folds there, too.
folder.cleanup()
