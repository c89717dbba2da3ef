"""Web page and REST interface for analyzing uploaded videos."""

from ._make_app import make_app

__all__ = ["make_app"]
