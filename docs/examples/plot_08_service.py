"""
Analyzing uploads with a web service
====================================

The web application of ``skdeepfake serve`` accepts uploaded videos and returns the
analysis as JSON, with the verdict, the probability of each frame, and a record of the
analyzed file. This example runs the application on a local server.

The model is trained on a few rendered clips and only demonstrates the service.
"""

# %%
# Save a model
# ------------
#
# We train a small detector and save it in a file that cannot run code when it is loaded
# (requires the extra ``safe``). The last pair of clips is not used for training. We
# upload it later.
import tempfile
from pathlib import Path

from skdeepfake import make_detector_pipeline, make_videos, persistence

folder = tempfile.TemporaryDirectory()
videos = make_videos(
    folder.name, n_real=10, n_fake=10, duration=0.6, size=(200, 240), random_state=0
)
pipeline = make_detector_pipeline(
    "cnn",
    n_frames=6,
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
train = videos.groups < 9
pipeline.fit(videos.data[train], videos.target[train])
model_path = Path(folder.name, "model.skops")
persistence.save(pipeline, model_path)

# %%
# Create the application
# ----------------------
#
# The application loads the model once. Videos that exceed the limits are rejected. A
# video that crashes or blocks the decoder does not affect other uploads.
from skdeepfake.serving import make_app

app = make_app(
    model_path,
    max_bytes=20 * 2**20,
    max_duration=120.0,
    max_pixels=1920 * 1080,
    timeout=30.0,
    heatmaps=False,
)

# %%
# Start a local server
# --------------------
#
# In production, use ``skdeepfake serve`` in a container without privileges. Here, the
# server runs in a thread, on a free port chosen by the system.
import socket
import threading

import httpx
import uvicorn

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()  # early requests wait until the server has started
url = f"http://127.0.0.1:{listener.getsockname()[1]}"
server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
thread.start()

# %%
# We upload a real clip, its fake, and a text file with the extension of a video. With
# ``wait``, the server responds when the analysis is finished.
real, fake = videos.data[~train]
bad = Path(folder.name, "bad.mp4")
bad.write_text("This is not a video.")
responses = []
try:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        for path in (real, fake, bad):
            params = {"name": Path(path).name, "wait": True}
            content = Path(path).read_bytes()
            responses.append(
                client.post("/api/analyses", params=params, content=content)
            )
finally:
    server.should_exit = True
    thread.join()
    listener.close()

analyses = []
for response in responses:
    found = response.json()
    if response.is_success:
        analyses.append(found["analysis"])
        print(found["name"], analyses[-1]["verdict"])
    else:
        print(response.status_code, found["error"], "-", found["message"])

# %%
# The probabilities are exactly those of the pipeline.
assert [response.status_code for response in responses] == [200, 200, 422]
for path, analysis in zip((real, fake), analyses, strict=True):
    assert analysis["probability"] == pipeline.predict_proba([path])[0, 1]

# %%
# Plot the results
# ----------------
#
# The response can be converted to a :class:`~skdeepfake.analysis.VideoAnalysis`, which
# plots the probabilities or writes an HTML page. The verdicts are not reliable here,
# since the model was trained on nine pairs of clips.
import matplotlib.pyplot as plt

from skdeepfake.analysis import VideoAnalysis

figure, axes = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
for ax, analysis in zip(axes, analyses, strict=True):
    VideoAnalysis(analysis).plot(ax=ax)
plt.show()

# %%
folder.cleanup()
