"""Self-contained HTML pages."""

from __future__ import annotations

import base64
import platform
from html import escape

import cv2
import numpy as np
import sklearn
from numpy.typing import NDArray

STYLE = """\
.skdeepfake { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #222; background: #fff; }
.skdeepfake h1 { font-size: 1.5rem; } .skdeepfake h2 { font-size: 1.1rem; }
.skdeepfake .wide { overflow-x: auto; }
.skdeepfake table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.skdeepfake th, .skdeepfake td { text-align: left; padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid #ddd; white-space: nowrap; }
.skdeepfake th { white-space: normal; }
.skdeepfake svg { max-width: 100%; height: auto; }
.skdeepfake footer { color: #555; font-size: .85rem; margin-top: 2rem; }
"""


def versions() -> str:
    """Return the package versions for the footer of a page."""
    from . import __version__

    return (
        f"skdeepfake {__version__}, scikit-learn {sklearn.__version__}, "
        f"Python {platform.python_version()}"
    )


def part(content: str, style: str = "") -> str:
    """Return HTML content with its style, for a page or a notebook."""
    return (
        f"<style>\n{STYLE}{style}</style>\n"
        f'<main class="skdeepfake">\n{content}\n</main>'
    )


def thumbnail(image: NDArray[np.uint8], caption: str, side: int = 160) -> str:
    """Return an HTML figure of an RGB image, at most `side` pixels wide and high."""
    scale = min(1.0, side / max(image.shape[:2]))
    size = [max(1, round(scale * length)) for length in image.shape[1::-1]]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return (
        f'<figure style="margin:0"><img src="{data_uri(jpeg.tobytes())}" alt="">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG file as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def page(title: str, body: str) -> str:
    """Return an HTML page with the given body."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
