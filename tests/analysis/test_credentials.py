"""Content Credentials are reported and do not change the verdict."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from skdeepfake import analyze_video, analyze_videos
from skdeepfake._c2pa import summarize
from skdeepfake.analysis import VideoAnalysis, json_schema

PEM = serialization.Encoding.PEM
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MANIFEST = {
    "claim_generator_info": [{"name": "renderer <b>", "version": "1.0"}],
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": SOURCE,
                        "softwareAgent": {"name": "brush"},
                        "when": "2026-01-02T03:04:05Z",
                    }
                ]
            },
        }
    ],
}
NONE = {"generator": None, "issuer": None, "signed_at": None}
NONE |= {"actions": [], "problems": []}


def certificates() -> tuple[bytes, bytes, bytes]:
    """Return a certificate chain, the key of its first certificate, and the root."""
    now = datetime.datetime.now(datetime.timezone.utc)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("root", "leaf")}
    pem = {}
    for name, key in keys.items():
        subject, issuer = (
            x509.Name(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Newsroom"),
                    x509.NameAttribute(NameOID.COMMON_NAME, each),
                ]
            )
            for each in (name, "root")
        )
        is_root = name == "root"
        usage = dict.fromkeys(
            ["key_encipherment", "data_encipherment", "key_agreement"], False
        )
        usage |= dict.fromkeys(["encipher_only", "decipher_only"], False)
        usage |= {"digital_signature": not is_root, "content_commitment": False}
        usage |= {"key_cert_sign": is_root, "crl_sign": is_root}
        extensions = [
            (x509.BasicConstraints(is_root, None), True),
            (x509.KeyUsage(**usage), True),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    keys["root"].public_key()
                ),
                False,
            ),
        ]
        if not is_root:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            extensions.append((purpose, False))
        made = x509.CertificateBuilder(issuer, subject, key.public_key())
        made = made.serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - datetime.timedelta(days=1))
        made = made.not_valid_after(now + datetime.timedelta(days=1))
        for extension, is_critical in extensions:
            made = made.add_extension(extension, is_critical)
        pem[name] = made.sign(keys["root"], hashes.SHA256()).public_bytes(PEM)
    key = keys["leaf"].private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem["leaf"] + pem["root"], key, pem["root"]


@pytest.fixture(scope="session")
def signed(clip: str, tmp_path_factory: Any) -> Path:
    """Return a signed clip, next to the root certificate and a clip with a link."""
    folder = tmp_path_factory.mktemp("signed")
    chain, key, root = certificates()
    (folder / "root.pem").write_bytes(root)
    for name in ("linked.mp4", "signed.mp4"):
        about = c2pa.C2paSignerInfo(b"es256", chain, key, None)
        with c2pa.Signer.from_info(about) as signer, c2pa.Builder(MANIFEST) as builder:
            if name == "linked.mp4":
                builder.set_remote_url("http://127.0.0.1:9/a.c2pa")
                builder.set_no_embed()
            builder.sign_file(clip, folder / name, signer)
    return folder / "signed.mp4"


def analyzed(path: Any, small: Any) -> VideoAnalysis:
    return analyze_video(path, small, heatmaps=False)


def credentials(path: Any, small: Any) -> dict[str, Any]:
    return analyzed(path, small).record["content_credentials"]


def test_claims_and_signature_are_reported(signed, clip, small) -> None:
    found, plain = analyzed(signed, small), analyzed(clip, small)
    about = found.record["content_credentials"]
    assert "Anyone can sign" in about.pop("message")
    assert about == {
        "status": "valid",
        "generator": "renderer <b> 1.0",
        "issuer": "Example Newsroom",
        "signed_at": None,
        "actions": [
            {
                "action": "c2pa.created",
                "when": "2026-01-02T03:04:05Z",
                "digital_source_type": SOURCE,
                "software": "brush",
            }
        ],
        "problems": ["signingCredential.untrusted"],
    }
    assert (found.verdict, found.probability) == (plain.verdict, plain.probability)
    assert found.notes == plain.notes
    page = found.to_html()
    assert "c2pa.created, made by a generative model, brush, 2026" in page
    assert "renderer &lt;b&gt; 1.0" in page
    properties = json_schema()["properties"]["record"]["properties"]
    assert sorted(properties["content_credentials"]["required"]) == sorted(
        [*about, "message"]
    )


def test_signer_on_the_list_of_the_user_is_trusted(signed, small, monkeypatch) -> None:
    monkeypatch.setenv("C2PATOOL_TRUST_ANCHORS", str(signed.with_name("root.pem")))
    found = credentials(signed, small)
    assert (found["status"], found["problems"]) == ("trusted", [])


def test_change_after_signing_is_found(signed, small, tmp_path) -> None:
    content = bytearray(signed.read_bytes())
    content[content.rindex(b"Lavf") + 1] ^= 1  # name of the muxer
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(content)
    found = credentials(changed, small)
    assert found["status"] == "invalid"
    assert "assertion.bmffHash.mismatch" in found["problems"]


def test_damaged_credentials_do_not_stop_the_analysis(signed, small, tmp_path) -> None:
    content = signed.read_bytes()
    start = content.index(b"jumd") + 60
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content[:start] + bytes(400) + content[start + 400 :])
    found = analyzed(broken, small)
    about = found.record["content_credentials"]
    assert found.verdict in ("real", "fake")
    assert about["message"].startswith("The Content Credentials cannot be read: ")
    assert about == {**NONE, "status": "unreadable", "message": about["message"]}


def test_file_without_credentials_is_not_suspicious(clip, small) -> None:
    found = analyzed(clip, small)
    about = found.record["content_credentials"]
    assert about == {**NONE, "status": "none", "message": about["message"]}
    assert "not evidence that the video is fake" in about["message"]
    assert "<h2>Content Credentials</h2>" not in found.to_html()


def test_nothing_is_fetched(signed, small) -> None:
    found = credentials(signed.with_name("linked.mp4"), small)
    assert found["status"] == "not read"
    assert "stored outside the file" in found["message"]


def test_extra_is_named_where_it_is_missing(signed, clip, small, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    for path, start in ((signed, "The file has Content"), (clip, "Content Cred")):
        found = credentials(path, small)
        assert found["status"] == "not read"
        assert found["message"].startswith(start)
        assert found["message"].endswith("pip install 'skdeepfake[c2pa]'.")


def test_table_has_the_status(signed, small) -> None:
    (row,) = analyze_videos([signed], small, verbose=0).rows
    assert row["content_credentials"] == "valid"


def test_claims_of_older_and_longer_manifests_are_bounded() -> None:
    actions = [{"action": "a" * 1000, "softwareAgent": "old"}] * 80
    manifest = {
        "claim_generator": "old/1",
        "signature_info": {"issuer": "I", "time": "2024-01-01T00:00:00+00:00"},
        "assertions": [{"label": "c2pa.actions", "data": {"actions": actions}}],
    }
    found = summarize({"active_manifest": "m", "manifests": {"m": manifest}})
    assert (found["status"], found["generator"]) == ("invalid", "old/1")
    assert found["signed_at"] == "2024-01-01T00:00:00+00:00"
    assert len(found["actions"]) == 50
    assert found["actions"][0]["action"] == "a" * 300
    assert found["actions"][0]["software"] == "old"
