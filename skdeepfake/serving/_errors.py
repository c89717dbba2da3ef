"""Errors of the service, returned as JSON."""

from __future__ import annotations

#: HTTP status of each kind of error.
STATUS = {
    "invalid": 400,
    "forbidden": 403,
    "not found": 404,
    "timeout": 408,
    "too large": 413,
    "unreadable": 422,
    "failed": 500,
    "busy": 503,
}


class ServiceError(Exception):
    """Error that is reported to the client."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message

    @property
    def status(self) -> int:
        """HTTP status."""
        return STATUS[self.kind]

    def content(self) -> dict[str, str]:
        """Return the body of the response."""
        return {"error": self.kind, "message": self.message}
