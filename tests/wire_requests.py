"""Well-formed requests of the EBS operations, made from the members' places, for tests that then spoil them."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from neve.messages import ebs
from neve.messages.constraints import REQUESTS, Location
from neve.messages.http import RequestHead
from neve.wire import restjson_requests
from neve.wire.routes import EBS_OPERATIONS, route

SNAPSHOT = "snap-0123456789abcdef0"
CHECKSUM = "M6FQvOsTwamSIx5ltPrRaBUhL8Bs20CJltMu6yzvnrs="

GOOD: Mapping[str, Mapping[str, Any]] = {
    "StartSnapshot": {
        "VolumeSize": 1,
        "ParentSnapshotId": SNAPSHOT,
        "Tags": [{"Key": "k", "Value": "v"}],
        "Description": "d",
        "ClientToken": "t",
        "Encrypted": False,
        "KmsKeyArn": "arn:aws:kms:us-east-1:111122223333:key/1",
        "Timeout": 60,
    },
    "PutSnapshotBlock": {
        "SnapshotId": SNAPSHOT,
        "BlockIndex": "5",
        "DataLength": "524288",
        "Progress": "10",
        "Checksum": CHECKSUM,
        "ChecksumAlgorithm": "SHA256",
    },
    "CompleteSnapshot": {
        "SnapshotId": SNAPSHOT,
        "ChangedBlocksCount": "1",
        "Checksum": CHECKSUM,
        "ChecksumAlgorithm": "SHA256",
        "ChecksumAggregationMethod": "LINEAR",
    },
    "ListSnapshotBlocks": {
        "SnapshotId": SNAPSHOT,
        "NextToken": "0a1b",
        "MaxResults": "100",
        "StartingBlockIndex": "0",
    },
    "ListChangedBlocks": {
        "FirstSnapshotId": SNAPSHOT,
        "SecondSnapshotId": SNAPSHOT,
        "NextToken": "0a1b",
        "MaxResults": "100",
        "StartingBlockIndex": "0",
    },
    "GetSnapshotBlock": {"SnapshotId": SNAPSHOT, "BlockIndex": "5", "BlockToken": "0a1b"},
}
"""Each operation with every member there is: numbers as text, except in JSON."""


def made(operation: str, **changes: Any) -> tuple[RequestHead, bytes]:
    """Return a request with some members changed; None takes one away."""
    values = {name: value for name, value in {**GOOD[operation], **changes}.items() if value is not None}
    path, query, headers, body = EBS_OPERATIONS[operation].path, {}, [("Host", "ebs.example.test")], {}
    for member in REQUESTS[operation]:
        if member.name not in values:
            continue
        value = values[member.name]
        if member.location is Location.URI:
            path = path.replace(f"{{{member.wire_name}}}", quote(value, safe=""))
        elif member.location is Location.QUERY:
            query[member.wire_name] = value
        elif member.location is Location.HEADER:
            headers.append((member.wire_name, value))
        elif member.location is Location.BODY:
            body[member.wire_name] = value
    target = path + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    head = RequestHead(method=EBS_OPERATIONS[operation].method, raw_target=target, headers=headers)
    return head, json.dumps(body).encode() if operation == "StartSnapshot" else b""


def decoded(head: RequestHead, body: bytes) -> ebs.EbsRequest:
    """Do what the service does with a request once it knows who sent it."""
    found = route(head)
    if found.carries_block:
        return restjson_requests.decode_put_head(found, head)
    return restjson_requests.decode(found, head, body)
