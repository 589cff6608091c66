"""Requests that botocore's own clients sign, taken off just before they would leave, are accepted.

No server, no clock to set: the requests are judged at the moment they say they were signed at.
"""

import base64
import hashlib
import hmac
import io
import itertools
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from neve.auth import payload, signature, sigv4
from neve.errors import CommonError
from neve.messages.http import RequestHead

ACCESS_KEY_ID, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1"
ENDPOINTS = [
    "http://127.0.0.1:9753",
    "https://ebs.example.test",
    "http://[::1]:9753",
    "http://ebs.example.test:80/base",
    "https://ebs.example.test:8443/deep/base/",
]
SNAPSHOT = "snap-0123456789abcdef0"
BLOCK = bytes(64)
CHECKSUM = base64.b64encode(hashlib.sha256(BLOCK).digest()).decode()
Call = tuple[str, str, Mapping[str, Any]]


def put(**others: Any) -> dict[str, Any]:
    return {
        "SnapshotId": SNAPSHOT,
        "BlockIndex": 5,
        "BlockData": BLOCK,
        "DataLength": 64,
        "Checksum": CHECKSUM,
        "ChecksumAlgorithm": "SHA256",
        **others,
    }


CALLS: Mapping[str, Call] = {
    "start": ("ebs", "start_snapshot", {"VolumeSize": 1}),
    "start with unicode": (
        "ebs",
        "start_snapshot",
        {"VolumeSize": 1, "Description": "névé ❄", "Tags": [{"Key": "сніг", "Value": "雪 \u2028\U0001f328"}]},
    ),
    "put": ("ebs", "put_snapshot_block", put()),
    "put with progress": ("ebs", "put_snapshot_block", put(Progress=10)),
    "put from a file": ("ebs", "put_snapshot_block", put(BlockData=io.BytesIO(BLOCK))),
    "complete": ("ebs", "complete_snapshot", {"SnapshotId": SNAPSHOT, "ChangedBlocksCount": 1}),
    "complete with an aggregate": (
        "ebs",
        "complete_snapshot",
        {
            "SnapshotId": SNAPSHOT,
            "ChangedBlocksCount": 1,
            "Checksum": CHECKSUM,
            "ChecksumAlgorithm": "SHA256",
            "ChecksumAggregationMethod": "LINEAR",
        },
    ),
    "list": ("ebs", "list_snapshot_blocks", {"SnapshotId": SNAPSHOT}),
    "list a page": (
        "ebs",
        "list_snapshot_blocks",
        {"SnapshotId": SNAPSHOT, "NextToken": "AB+/=_- é", "MaxResults": 100, "StartingBlockIndex": 0},
    ),
    "list an odd id": ("ebs", "list_snapshot_blocks", {"SnapshotId": "not a/snap%2F+~é"}),
    "list changes": (
        "ebs",
        "list_changed_blocks",
        {"FirstSnapshotId": SNAPSHOT, "SecondSnapshotId": SNAPSHOT, "NextToken": "a==", "MaxResults": 100},
    ),
    "get": (
        "ebs",
        "get_snapshot_block",
        {"SnapshotId": SNAPSHOT, "BlockIndex": 5, "BlockToken": "AlMB_Ha-VGpe+/="},
    ),
    "describe snapshots": (
        "ec2",
        "describe_snapshots",
        {
            "SnapshotIds": [SNAPSHOT],
            "OwnerIds": ["self"],
            "Filters": [{"Name": "tag:сніг & co", "Values": ["a*", "b+c=d", "%20"]}],
        },
    ),
    "delete": ("ec2", "delete_snapshot", {"SnapshotId": SNAPSHOT}),
    "create tags": ("ec2", "create_tags", {"Resources": [SNAPSHOT], "Tags": [{"Key": "k", "Value": ""}]}),
}


@lru_cache
def session() -> botocore.session.Session:
    """One session for the module: it is slow to load EC2's model."""
    loaded = botocore.session.Session()
    loaded.set_credentials(ACCESS_KEY_ID, SECRET)
    return loaded


def client(service: str, endpoint: str, **config: Any) -> Any:
    return session().create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}, **config),
    )


class TakenOff(Exception):
    """Stops a client where its request would leave."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        super().__init__()
        self.request = request


def take_off(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
    raise TakenOff(request)


def signed(call: Call, endpoint: str, **config: Any) -> tuple[RequestHead, bytes]:
    service, method, parameters = call
    api = client(service, endpoint, **config)
    api.meta.events.register(f"before-send.{service}", take_off)
    with pytest.raises(TakenOff) as taken:
        getattr(api, method)(**parameters)
    request = taken.value.request
    body: Any = request.body
    if isinstance(body, io.BytesIO):
        body = body.getvalue()
    content = body.encode() if isinstance(body, str) else bytes(body or b"")
    headers = {name: _text(value) for name, value in request.headers.items()}
    return _head(request.method, request.url, headers), content


def _head(method: str, url: str, headers: Mapping[str, str]) -> RequestHead:
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}[parts.scheme]
    host = parts.netloc.removesuffix(default)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return RequestHead(method=method, raw_target=target, headers=[("Host", host), *headers.items()])


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def judge(head: RequestHead, body: bytes, service: str) -> signature.Signature:
    claim = signature.read(head)
    assert claim.access_key_id == ACCESS_KEY_ID
    is_put = head.method == "PUT"
    payload_hash = payload.declared_hash(head, unsigned_payload_allowed=is_put)
    if payload_hash is None:
        payload_hash = payload.presumed_hash(head) if is_put else payload.body_hash(body)
    sigv4.verify(
        head,
        claim,
        SECRET,
        payload_hash=payload_hash,
        region=REGION,
        service=service,
        now_ms=claim.signed_ms,
        skew_s=sigv4.EBS_SKEW_S,
    )
    return claim


@pytest.mark.parametrize(
    ("name", "endpoint"),
    # Every call once, and every endpoint once: they do not depend on each other.
    [*zip(CALLS, itertools.cycle(ENDPOINTS), strict=False), *(("put", endpoint) for endpoint in ENDPOINTS)],
)
def test_what_a_botocore_client_signs_is_accepted(name: str, endpoint: str) -> None:
    call = CALLS[name]
    head, body = signed(call, endpoint)
    claim = judge(head, body, call[0])
    assert not claim.presigned
    if head.method == "PUT":
        assert head.values("x-amz-content-sha256") == ["UNSIGNED-PAYLOAD"]


PRESIGNED = [name for name, call in CALLS.items() if call[1].startswith(("list", "get", "describe"))]


@pytest.mark.parametrize("name", PRESIGNED)
def test_what_a_botocore_client_presigns_is_accepted(name: str) -> None:
    service, method, parameters = CALLS[name]
    api = client(service, ENDPOINTS[0])
    url = api.generate_presigned_url(method, Params=parameters, ExpiresIn=60, HttpMethod="GET")
    claim = judge(_head("GET", url, {}), b"", service)
    assert claim.expires_s == 60


def test_an_unsigned_botocore_client_is_told_so() -> None:
    head, _ = signed(CALLS["list"], ENDPOINTS[0], signature_version=botocore.UNSIGNED)
    with pytest.raises(CommonError) as refusal:
        signature.read(head)
    assert refusal.value.code == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    "spell",
    [
        str,
        lambda query: query.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="),
        lambda query: query.replace("blockToken", "block%54oken"),
        lambda query: "&" + query + "&",
    ],
    ids=["as signed", "bare", "over-encoded", "empty pieces"],
)
def test_a_signer_may_encode_more_strictly_than_it_sends(spell: Callable[[str], str]) -> None:
    head, body = signed(CALLS["get"], ENDPOINTS[0])
    sent = RequestHead(
        method=head.method, raw_target=f"{head.raw_path}?{spell(head.raw_query)}", headers=head.headers
    )
    judge(sent, body, "ebs")


def test_a_signer_may_keep_the_encoding_it_sends() -> None:
    """Made as botocore signs a URL it is given whole: sorted, but spelled as it stands."""
    target = f"/snapshots/{SNAPSHOT}/blocks/5?z=1&blockToken=a%2fb%3d"
    request = "\n".join(
        [
            "GET",
            f"/snapshots/{SNAPSHOT}/blocks/5",
            "blockToken=a%2fb%3d&z=1",
            "host:x",
            "x-amz-date:20260101T000000Z",
            "",
            "host;x-amz-date",
            payload.EMPTY_BODY_HASH,
        ]
    )
    text = sigv4.string_to_sign(request.encode(), amz_date="20260101T000000Z", region=REGION, service="ebs")
    key = sigv4.signing_key(SECRET, "20260101", REGION, "ebs")
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/{REGION}/ebs/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={hmac_hex(key, text)}"
    )
    headers = [("Host", "x"), ("X-Amz-Date", "20260101T000000Z"), ("Authorization", authorization)]
    judge(RequestHead(method="GET", raw_target=target, headers=headers), b"", "ebs")


def hmac_hex(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()
