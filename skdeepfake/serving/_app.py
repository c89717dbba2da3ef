"""Routes of the web application."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterator, Sequence
from importlib.resources import files
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import __version__
from ._errors import STATUS, ServiceError
from ._jobs import Job, Jobs
from ._rest_page import describe

_OF_HTTP = {status: kind for kind, status in STATUS.items()}
_RESULT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; sandbox allow-downloads allow-same-origin"
)


class Problem(BaseModel):
    """Kind and description of an error."""

    error: Literal[tuple(STATUS)]  # type: ignore[valid-type]
    message: str


class State(BaseModel):
    """State of an analysis, with its result once it is done."""

    id: str
    name: str
    state: Literal["waiting", "analyzing", "done", "failed"]
    n_before: int  # number of analyses that run before this one
    analysis: dict[str, Any] | None = None  # see skdeepfake.analysis.json_schema
    problem: Problem | None = None


def build(
    jobs: Jobs, max_bytes: int, timeout: float | None, allowed_hosts: Sequence[str]
) -> FastAPI:
    """Build the application."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with jobs.running():
            yield

    app = FastAPI(
        title="skdeepfake",
        version=__version__,
        summary="Analyze videos for signs of manipulated faces.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from other servers
        redoc_url=None,
    )
    app.add_middleware(_Guard, allowed_hosts=allowed_hosts)
    app.add_exception_handler(ServiceError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(Exception, _answer_failure)

    @app.get("/", include_in_schema=False)
    def index() -> HTMLResponse:
        html = _PAGE.replace("{{max_bytes}}", str(max_bytes))
        return HTMLResponse(html, headers={"Content-Security-Policy": _page_policy()})

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        policy = {"Content-Security-Policy": _RESULT_POLICY}
        return HTMLResponse(describe(app.openapi()), headers=policy)

    @app.post(
        "/api/analyses",
        status_code=202,
        summary="Analyze a video",
        responses=_problems("invalid", "timeout", "too large", "unreadable", "busy"),
        openapi_extra={"requestBody": _BODY},
    )
    async def create(
        request: Request,
        response: Response,
        name: Annotated[str, Query(max_length=255)] = "video",
        wait: bool = False,
    ) -> State:
        """Upload a video as the body of the request.

        By default, the response is sent before the analysis. Request the result from
        `/api/analyses/{id}`. With `wait=true`, the response contains the result.
        """
        with jobs.upload() as path:
            await _receive(request, path, max_bytes, timeout)
            job = jobs.submit(path, _clean(name))
        if wait:
            await asyncio.shield(asyncio.wrap_future(job.finished))
            if job.error is not None:
                raise job.error
            response.status_code = 200
        return _state(jobs, job)

    @app.get(
        "/api/analyses/{id}",
        summary="State and result of an analysis",
        responses=_problems("not found"),
    )
    def read(id: str) -> State:
        """Return the state, and the analysis if the state is "done"."""
        return _state(jobs, jobs.get(id))

    @app.get(
        "/api/analyses/{id}/page",
        summary="Page of an analysis",
        response_class=HTMLResponse,
        responses=_problems("not found"),
    )
    def show(id: str, download: bool = False) -> HTMLResponse:
        """Return a self-contained HTML page.

        The page shows the verdict, the timeline, the faces, and a record of the file,
        the detector and the parameters.
        """
        job = jobs.get(id)
        if job.analysis is None:
            raise ServiceError(
                "not found", f"There is no page, since the state is {job.state!r}."
            )
        headers = {"Content-Security-Policy": _RESULT_POLICY}
        if download:
            name = quote(f"{os.path.splitext(job.name)[0]}.html", safe="")
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        return HTMLResponse(job.analysis.to_html(), headers=headers)

    @app.delete(
        "/api/analyses/{id}",
        status_code=204,
        summary="Delete an analysis",
        responses=_problems("not found"),
    )
    def forget(id: str) -> None:
        """Delete an analysis from memory. The upload has already been deleted."""
        jobs.forget(id)

    return app


async def _receive(
    request: Request, path: str, max_bytes: int, timeout: float | None
) -> None:
    """Write the body of a request to a file, within the size and time limits."""
    too_large = ServiceError("too large", f"The limit is {max_bytes} bytes.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large

    async def copy() -> None:
        size = 0
        with open(path, "xb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise too_large
                file.write(chunk)

    try:
        await asyncio.wait_for(copy(), timeout)
    except asyncio.TimeoutError:
        text = f"The upload took longer than {timeout:g} seconds."
        raise ServiceError("timeout", text) from None


def _clean(name: str) -> str:
    """Return a file name without folders and control characters."""
    return re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[/\\]", name)[-1]) or "video"


def _state(jobs: Jobs, job: Job) -> State:
    state = job.state  # read once, since another thread may change it
    return State(
        id=job.id,
        name=job.name,
        state=state,
        n_before=jobs.n_before(job) if state == "waiting" else 0,
        analysis=job.analysis.to_dict() if job.analysis and state == "done" else None,
        problem=Problem(**job.error.content()) if job.error else None,
    )


# -- errors --------------------------------------------------------------------------


def _problems(*kinds: str) -> dict[int | str, dict[str, Any]]:
    return {STATUS[kind]: {"model": Problem, "description": kind} for kind in kinds}


def _json(error: ServiceError, status: int | None = None) -> JSONResponse:
    return JSONResponse(error.content(), status or error.status)


async def _answer_error(_: Request, error: Any) -> JSONResponse:
    return _json(error)


async def _answer_http_error(_: Request, error: Any) -> JSONResponse:
    kind = _OF_HTTP.get(error.status_code, "invalid")
    return _json(ServiceError(kind, str(error.detail)), error.status_code)


async def _answer_invalid(_: Request, error: Any) -> JSONResponse:
    found = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
    return _json(ServiceError("invalid", found))


async def _answer_failure(_: Request, error: Any) -> JSONResponse:
    return _json(
        ServiceError("failed", f"The server failed with {type(error).__name__}.")
    )


# -- access ----------------------------------------------------------------------------


class _Guard:
    """Reject requests for other host names or from pages of other sites."""

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        self._app, self._allowed = app, allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            headers = {
                name.decode(): v.decode("latin-1") for name, v in scope["headers"]
            }
            problem = self._check(headers.get("host", ""), headers.get("origin"))
            if problem is not None:
                await _json(ServiceError("forbidden", problem))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, host: str, origin: str | None) -> str | None:
        if _host_name(f"//{host}") not in self._allowed:
            return f"The host {host!r} is not allowed. Add its name with --allow-host."
        if origin is not None and urlsplit(origin).netloc != host:
            return f"Requests from pages of {origin!r} are not allowed."
        return None


def _host_name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


# -- the page --------------------------------------------------------------------------

_PAGE = (files(__package__) / "page.html").read_text(encoding="utf-8")
_BODY = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
    },
}


def _page_policy() -> str:
    """Return a Content Security Policy that only allows the script in the page."""
    (script,) = re.findall(r"<script>(.*?)</script>", _PAGE, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "connect-src 'self'; frame-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
