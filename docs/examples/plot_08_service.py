"""
A service that answers uploads
==============================

The application of ``skdeepfake serve`` takes an upload, and answers with the analysis
of the video as JSON: the verdict, the probability of each frame, and a record of what
was analyzed. The server here is a real one, on this machine for the time of the
example.

The model knows rendered toys only. What matters is what stands around it: uploads come
from strangers.
"""

# %%
# A model in a file
# -----------------
#
# Trained in one place and kept in a file that runs nothing when it is loaded (extra
# ``safe``). The last pair of clips is what will be uploaded.
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
# The application
# ---------------
#
# It loads the model once. The limits are what its users may send: a video that costs
# more is refused, and one that crashes or hangs the decoder is that video's error
# alone.
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
# A server for the time of this example
# -------------------------------------
#
# In production this is ``skdeepfake serve``, in a container without rights. Here it
# runs in a thread, on a port that the system chooses.
import socket
import threading

import httpx
import uvicorn

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()  # who asks before the server has started waits for it
url = f"http://127.0.0.1:{listener.getsockname()[1]}"
server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
thread.start()

# %%
# Three uploads: a real clip, its fake, and a text that calls itself a video. With
# ``wait``, the answer comes when the analysis is finished.
real, fake = videos.data[~train]
bad = Path(folder.name, "bad.mp4")
bad.write_text("This is no video.")
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
# The answers are those of the pipeline itself, to the last digit.
assert [response.status_code for response in responses] == [200, 200, 422]
for path, analysis in zip((real, fake), analyses, strict=True):
    assert analysis["probability"] == pipeline.predict_proba([path])[0, 1]

# %%
# What a client can do with it
# ----------------------------
#
# The answer makes a :class:`~skdeepfake.analysis.VideoAnalysis` again, which draws
# itself, or writes a page. Whether the verdicts are right is another matter: this model
# has seen nine pairs of clips.
import matplotlib.pyplot as plt

from skdeepfake.analysis import VideoAnalysis

figure, axes = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
for ax, analysis in zip(axes, analyses, strict=True):
    VideoAnalysis(analysis).plot(ax=ax)
plt.show()

# %%
folder.cleanup()
