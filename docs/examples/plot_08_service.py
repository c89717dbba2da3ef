"""
A service that answers uploads
==============================

A fitted pipeline is loaded by a small web application: a video is uploaded, the answer
is JSON with the probability of the video and of each frame. The server here is a real
one, on this machine for the time of the example.

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
import math
import shutil

from fastapi import FastAPI, HTTPException, Request, UploadFile
from fastapi.responses import JSONResponse

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
    """Answer with the probability of fake of a video and of its frames."""
    with tempfile.TemporaryDirectory() as own:
        path = Path(own, "upload")
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file)
        try:
            return answer(path)
        except VideoReadError as error:
            raise HTTPException(422, f"This file {error.reason}") from error


def answer(path):
    """Ask the model step by step, since the times of the frames are wanted too."""
    clips = model["sampler"].transform([path])
    faces = model[1:-1].transform(clips)
    frames = model[-1].predict_frame_proba(faces)
    seen = [not math.isnan(p) for p in frames[0, :, 1]]
    proba = float(model[-1].aggregate_proba(frames)[0, 1])
    return {
        "probability": proba if any(seen) else None,  # nothing seen, nothing said
        "frames_with_face": sum(seen),
        "frames": [
            {
                "time": None if math.isnan(time) else float(time),
                "probability": float(p) if has_face else None,
            }
            for time, p, has_face in zip(
                clips[0].timestamps, frames[0, :, 1], seen, strict=True
            )
        ],
    }


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
    print(response.status_code, response.text[:76])

# %%
# The answers are those of the pipeline itself, to the last digit.
assert [response.status_code for response in responses] == [200, 200, 422]
for path, response in zip((real, fake), responses, strict=False):
    assert response.json()["probability"] == pipeline.predict_proba([path])[0, 1]

# %%
# What a client can do with it
# ----------------------------
#
# A frame without a face is ``null`` in JSON, None in Python, and a gap in the picture.
# Whether the answers are right is another matter: this model has seen nine pairs of
# clips.
import matplotlib.pyplot as plt
import numpy as np

from skdeepfake.plotting import TimelineDisplay

figure, axes = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
for ax, title, response in zip(axes, ("real", "fake"), responses, strict=False):
    content = response.json()
    TimelineDisplay(
        np.array([frame["time"] for frame in content["frames"]], dtype=float),
        np.array([frame["probability"] for frame in content["frames"]], dtype=float),
        score=content["probability"],
        title=f"{title}, {content['frames_with_face']} frames with a face",
    ).plot(ax=ax)
plt.show()

# %%
folder.cleanup()
