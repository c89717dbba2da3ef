"""Self-contained pages of HTML."""

from __future__ import annotations

import platform
from html import escape

import sklearn

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
    """Name the versions that made a page."""
    from . import __version__

    return (
        f"skdeepfake {__version__}, scikit-learn {sklearn.__version__}, "
        f"Python {platform.python_version()}"
    )


def part(content: str, style: str = "") -> str:
    """Put content in the element that the style applies to, as for a notebook."""
    return (
        f"<style>\n{STYLE}{style}</style>\n"
        f'<main class="skdeepfake">\n{content}\n</main>'
    )


def page(title: str, body: str) -> str:
    """Make a page of a part."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
