"""
A service that answers uploads
==============================

A small web application takes an upload, and answers with the analysis of the video as
JSON: the verdict, the probability of each frame, and a record of what was analyzed. The
server here is a real one, on this machine for the time of the example.

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
# It loads the model once, and lowers the limits of the
# :class:`~skdeepfake.preprocessing.VideoFrameSampler` to what its users may send. A
# video that costs more is refused, and one that crashes or hangs the decoder is that
# video's error alone.
import shutil

from fastapi import FastAPI, HTTPException, Request, UploadFile
from fastapi.responses import JSONResponse

from skdeepfake import analyze_video
from skdeepfake.exceptions import VideoReadError

MAX_BYTES = 20 * 2**20

model = persistence.load(model_path)
model.set_params(
    sampler__max_bytes=MAX_BYTES,
    sampler__max_duration=120.0,
    sampler__max_pixels=1920 * 1080,
    sampler__timeout=30.0,
)
app = FastAPI()

# %%
# The length of an upload is looked at before any of it is read. A proxy in front of the
# application should do so, too.


@app.middleware("http")
async def refuse_large_bodies(request: Request, call_next):
    """Answer 413 where a body is too long, and 411 where it does not say."""
    length = request.headers.get("content-length")
    if request.method == "POST" and length is None:
        return JSONResponse({"detail": "the length must be given"}, 411)
    if length is not None and int(length) > MAX_BYTES:
        text = f"longer than {MAX_BYTES // 2**20} MB"
        return JSONResponse({"detail": text}, 413)
    return await call_next(request)


# %%
# The upload gets a name of ours in a folder of its own, which goes whatever happens. A
# function without ``async`` runs in a thread, so that other requests do not wait for
# the decoding; a pipeline may be asked from several threads at once.


@app.post("/predict")
def predict(upload: UploadFile):
    """Answer with the analysis of a video."""
    with tempfile.TemporaryDirectory() as own:
        path = Path(own, "upload")
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file)
        try:
            return analyze_video(path, model, heatmaps=False).to_dict()
        except VideoReadError as error:
            raise HTTPException(422, f"This file {error.reason}") from error


# %%
# A server for the time of this example
# -------------------------------------
#
# In production this is ``uvicorn module:app``, in a container without rights. Here it
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
# Three uploads: a real clip, its fake, and a text that calls itself a video.
real, fake = videos.data[~train]
bad = Path(folder.name, "bad.mp4")
bad.write_text("This is no video.")
try:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        responses = []
        for path in (real, fake, bad):
            with open(path, "rb") as file:
                responses.append(client.post("/predict", files={"upload": file}))
finally:
    server.should_exit = True
    thread.join()
    listener.close()

for response in responses:
    content = response.json()
    print(response.status_code, content.get("verdict", content.get("detail")))

# %%
# The answers are those of the pipeline itself, to the last digit.
assert [response.status_code for response in responses] == [200, 200, 422]
for path, response in zip((real, fake), responses, strict=False):
    assert response.json()["probability"] == pipeline.predict_proba([path])[0, 1]

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
for ax, response in zip(axes, responses, strict=False):
    VideoAnalysis(response.json()).plot(ax=ax)
plt.show()

# %%
folder.cleanup()
