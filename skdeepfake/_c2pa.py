"""Read Content Credentials (C2PA) in a separate process.

An untrusted file may crash or block the library c2pa, so a new process is started for
each file. To start quickly, this module imports only c2pa and the standard library.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

# Download neither remote manifests nor the revocation status of certificates.
_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
# Environment variable of c2patool: path of a PEM file of trusted root certificates.
_ANCHORS = "C2PATOOL_TRUST_ANCHORS"
# Maximum number of items per list, and of characters per text.
_MAX_ITEMS, _MAX_TEXT = 50, 300


def main() -> None:
    """Print the Content Credentials of a file as JSON."""
    print(json.dumps(read(sys.argv[1])))


def read(path: str) -> dict[str, Any]:
    """Return the Content Credentials of a file, or the reason why there are none."""
    import c2pa

    settings: dict[str, Any] = dict(_SETTINGS)
    if anchors := os.environ.get(_ANCHORS):
        settings["trust"] = {"trust_anchors": Path(anchors).read_text("utf-8")}
    try:
        # Detect the format from the content, since uploads have no extension.
        with (
            open(path, "rb") as file,
            c2pa.Context.from_dict(settings) as context,
            c2pa.Reader(None, file, context=context) as reader,
        ):
            return summarize(json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return {"status": "none"}
    except c2pa.C2paError as error:
        if str(error).startswith("Remote"):
            reason = (
                "The Content Credentials are stored outside the file and were not read."
            )
            return {"status": "not read", "reason": reason}
        return {"status": "unreadable", "reason": _text(error)}


def summarize(store: dict[str, Any]) -> dict[str, Any]:
    """Return the claims of the active manifest and the result of its validation."""
    manifest = store["manifests"][store["active_manifest"]]
    generators = manifest.get("claim_generator_info") or []
    names = [" ".join(map(str, _values(g, "name", "version"))) for g in generators]
    signature = manifest.get("signature_info") or {}
    actions = [
        {
            "action": _text(action.get("action")),
            "when": _text(action.get("when")),
            "digital_source_type": _text(action.get("digitalSourceType")),
            "software": _text(_software(action.get("softwareAgent"))),
        }
        for assertion in manifest.get("assertions") or []
        if assertion.get("label", "").startswith("c2pa.actions")
        for action in (assertion.get("data") or {}).get("actions") or []
    ]
    problems = [_text(found["code"]) for found in store.get("validation_status") or []]
    return {
        "status": str(store.get("validation_state") or "invalid").lower(),
        "generator": _text(", ".join(names) or manifest.get("claim_generator")),
        "issuer": _text(signature.get("issuer")),
        "signed_at": _text(signature.get("time")),
        "actions": actions[:_MAX_ITEMS],
        "problems": problems[:_MAX_ITEMS],
    }


def _software(agent: Any) -> Any:
    return agent.get("name") if isinstance(agent, dict) else agent


def _values(found: dict[str, Any], *names: str) -> list[Any]:
    return [found[name] for name in names if found.get(name)]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:_MAX_TEXT]
