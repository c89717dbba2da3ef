"""Reading and writing of untrusted videos, in separate processes.

- :mod:`._sampling`: choice of frames
- :mod:`._opencv`: decoding with OpenCV, in the decoder process
- :mod:`._orientation`: detection of mirrored videos, which OpenCV does not support
- :mod:`._server`: main loop of the decoder process
- :mod:`._process`: parent side of the decoder process
- :mod:`._ffmpeg`: decoding with ffmpeg, for videos that OpenCV cannot decode
- :mod:`._reader`: reading of a video with either decoder, with a timeout
- :mod:`._metadata`: metadata of videos, read without decoding
- :mod:`._encoder`: encoding with ffmpeg
- :mod:`._checks`: checks before a video is opened

The first four modules import only NumPy and OpenCV, so that the decoder process starts
quickly.
"""
