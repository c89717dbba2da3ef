"""Reading and writing of untrusted videos, in processes of their own.

- :mod:`._opencv`: what OpenCV is asked, in the decoder's process; which frames to take
- :mod:`._orientation`: mirrored video, which OpenCV only rotates
- :mod:`._server`: the decoder's process: answers requests until its parent is gone
- :mod:`._process`: the parent's side of it
- :mod:`._ffmpeg`: the bundled ffmpeg, for what OpenCV cannot decode
- :mod:`._reader`: a video, read by one or the other within a time
- :mod:`._encoder`: the bundled ffmpeg as an encoder
- :mod:`._checks`: checks before a video is opened

The first three load nothing but NumPy and OpenCV, so that a process starts quickly.
"""
