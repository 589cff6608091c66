"""Every step of every signature in this folder, against what botocore's signer made of the same request."""

import pytest

from golden.sigv4 import signed_request
from neve.auth import canonical, signature, sigv4
from neve.messages.http import RequestHead


@pytest.mark.parametrize("name", signed_request.NAMES)
def test_every_step_is_as_written_down(name: str) -> None:
    request = signed_request.load(name)
    claim = signature.read(request.head)
    canonical_request = canonical.canonical_request(
        request.head,
        canonical.header_values(request.head),
        signed_headers=claim.signed_headers,
        query=canonical.canonical_queries(request.head.raw_query)[0],
        payload_hash=request.payload_hash(),
    )
    assert canonical_request.decode() == request.step("creq")

    string_to_sign = sigv4.string_to_sign(
        canonical_request, amz_date=claim.amz_date, region=claim.region, service=claim.service
    )
    assert string_to_sign == request.step("sts")
    assert request.step("authz").endswith(claim.signature_hex)


@pytest.mark.parametrize("name", signed_request.NAMES)
def test_every_signature_is_accepted(name: str) -> None:
    signed_request.judge(signed_request.load(name))


@pytest.mark.parametrize("name", ["session-token", "get-block-presigned-session"])
def test_a_session_token_is_read_as_it_was_signed(name: str) -> None:
    assert signature.read(signed_request.load(name).head).session_token == "FwoGZXIvYXdzEBY+/="


@pytest.mark.parametrize("name", [name for name in signed_request.NAMES if "presigned" not in name])
def test_our_own_signer_agrees(name: str) -> None:
    request = signed_request.load(name)
    given = [
        (key, value)
        for key, value in request.head.headers
        if key.lower() not in {"authorization", "x-amz-date", "x-amz-security-token"}
        and value != "UNSIGNED-PAYLOAD"
    ]
    head = signature_free(request, given)
    added = sigv4.sign(
        head,
        access_key_id=signed_request.ACCESS_KEY_ID,
        secret=signed_request.SECRET,
        region=signed_request.REGION,
        service=request.service,
        now_ms=signed_request.SIGNED_MS,
        payload_hash=request.payload_hash(),
        session_token=signature.read(request.head).session_token,
    )
    assert dict(added)["Authorization"] == request.step("authz")


def signature_free(request: signed_request.SignedRequest, headers: list[tuple[str, str]]) -> RequestHead:
    return RequestHead(method=request.head.method, raw_target=request.head.raw_target, headers=headers)
