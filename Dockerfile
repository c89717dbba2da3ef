# The web page and REST interface of `skdeepfake serve`, run by an ordinary user.
#
#   docker build -t skdeepfake .
#   docker run --rm --read-only --tmpfs /tmp --cap-drop ALL -p 127.0.0.1:8000:8000 \
#     skdeepfake
#
# Then open http://localhost:8000. There is no password: publish the port on 127.0.0.1 as
# above, or put a proxy with a password in front and add --allow-host NAME.
FROM python:3.12-slim

# Libraries that OpenCV loads.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY skdeepfake skdeepfake
RUN pip install --no-cache-dir ".[serve,c2pa]" onnxruntime && rm -rf /src
RUN useradd --no-log-init --create-home --uid 10001 skdeepfake
USER skdeepfake
WORKDIR /home/skdeepfake
EXPOSE 8000
ENTRYPOINT ["skdeepfake", "serve", "--host", "0.0.0.0"]
