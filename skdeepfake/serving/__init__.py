"""A web page and a REST interface that analyze uploaded videos."""

from ._make_app import make_app

__all__ = ["make_app"]
