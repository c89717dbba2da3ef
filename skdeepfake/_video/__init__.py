"""Decoding of videos that nobody vouches for, in processes of their own.

- :mod:`._sampling`: which frames are sampled
- :mod:`._opencv`: what OpenCV is asked; runs in the decoder's process only
- :mod:`._server`: the decoder's process: answers requests until its parent is gone
- :mod:`._process`: the parent's side of it
- :mod:`._ffmpeg`: the bundled ffmpeg, for what OpenCV cannot decode
- :mod:`._reader`: a video, read by one or the other within a time

The first three load nothing but NumPy and OpenCV, so that a process starts quickly.
"""
