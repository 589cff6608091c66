"""The EC2 calls neve serves, against EC2's service model: names right, and what is left out is on a list."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import botocore.loaders
import pytest

from neve.messages import ebs, ec2
from neve.wire import ec2query

MODEL: Mapping[str, Any] = botocore.loaders.Loader().load_service_model("ec2", "service-2")
SHAPES: Mapping[str, Any] = MODEL["shapes"]

REQUESTS: Mapping[str, type] = {
    "DescribeSnapshots": ec2.DescribeSnapshotsRequest,
    "DeleteSnapshot": ec2.DeleteSnapshotRequest,
    "CopySnapshot": ec2.CopySnapshotRequest,
    "CreateTags": ec2.CreateTagsRequest,
    "DeleteTags": ec2.DeleteTagsRequest,
    "DescribeTags": ec2.DescribeTagsRequest,
    "ModifySnapshotAttribute": ec2.ModifySnapshotAttributeRequest,
    "DescribeSnapshotAttribute": ec2.DescribeSnapshotAttributeRequest,
    "ResetSnapshotAttribute": ec2.ResetSnapshotAttributeRequest,
    "EnableEbsEncryptionByDefault": ec2.EnableEbsEncryptionByDefaultRequest,
    "DisableEbsEncryptionByDefault": ec2.DisableEbsEncryptionByDefaultRequest,
    "GetEbsEncryptionByDefault": ec2.GetEbsEncryptionByDefaultRequest,
    "GetEbsDefaultKmsKeyId": ec2.GetEbsDefaultKmsKeyIdRequest,
    "ModifyEbsDefaultKmsKeyId": ec2.ModifyEbsDefaultKmsKeyIdRequest,
    "ResetEbsDefaultKmsKeyId": ec2.ResetEbsDefaultKmsKeyIdRequest,
}
RESPONSES: Mapping[str, type] = {
    "DescribeSnapshots": ec2.DescribeSnapshotsResponse,
    "CopySnapshot": ec2.CopySnapshotResponse,
    "DescribeTags": ec2.DescribeTagsResponse,
    "DescribeSnapshotAttribute": ec2.DescribeSnapshotAttributeResponse,
    "EnableEbsEncryptionByDefault": ec2.EbsEncryptionByDefaultResponse,
    "DisableEbsEncryptionByDefault": ec2.EbsEncryptionByDefaultResponse,
    "GetEbsEncryptionByDefault": ec2.GetEbsEncryptionByDefaultResponse,
    "GetEbsDefaultKmsKeyId": ec2.EbsDefaultKmsKeyIdResponse,
    "ModifyEbsDefaultKmsKeyId": ec2.EbsDefaultKmsKeyIdResponse,
    "ResetEbsDefaultKmsKeyId": ec2.EbsDefaultKmsKeyIdResponse,
}
STRUCTURES: Mapping[str, type] = {
    "Filter": ec2.Filter,
    "Snapshot": ec2.SnapshotDescription,
    "Tag": ebs.Tag,
    "TagDescription": ec2.TagDescription,
    "TagSpecification": ec2.TagSpecification,
    "CreateVolumePermission": ec2.CreateVolumePermission,
    "CreateVolumePermissionModifications": ec2.CreateVolumePermissionModifications,
    "ProductCode": ec2.ProductCode,
}

NOT_SERVED: Mapping[str, str] = {
    "Snapshot.OwnerAlias": "only Amazon's own snapshots have one",
    "Snapshot.OutpostArn": "there are no Outposts",
    "Snapshot.RestoreExpiryTime": "there is no archive tier to restore from",
    "Snapshot.SseType": "reserved, never sent by the live service (contract 9.3)",
    "Snapshot.AvailabilityZone": "there are no zones",
    "Snapshot.CompletionDurationMinutes": "belongs to time-based copies",
    "Snapshot.AssociatedKmsKeys": "belongs to copies under way",
    "Snapshot.DataEncryptionKeyId": "the live service leaves it out of these answers (contract 9.3)",
}
"""Members of the model that no answer or request of ours has, and why."""


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def fields(message: type) -> set[str]:
    assert dataclasses.is_dataclass(message)
    return {field.name.removesuffix("_ms") for field in dataclasses.fields(message)}


def members(structure: str) -> set[str]:
    return {snake(name) for name in SHAPES[structure]["members"] if f"{structure}.{name}" not in NOT_SERVED}


def test_the_version_is_the_models() -> None:
    assert MODEL["metadata"]["apiVersion"] == ec2query.API_VERSION


@pytest.mark.parametrize("action", sorted(REQUESTS))
def test_a_request_has_the_models_members(action: str) -> None:
    structure = MODEL["operations"][action]["input"]["shape"]
    assert fields(REQUESTS[action]) == members(structure)


@pytest.mark.parametrize("action", sorted(RESPONSES))
def test_a_response_has_the_models_members(action: str) -> None:
    structure = MODEL["operations"][action]["output"]["shape"]
    assert fields(RESPONSES[action]) == members(structure)


@pytest.mark.parametrize("action", sorted(set(REQUESTS) - set(RESPONSES)))
def test_the_rest_answer_with_nothing(action: str) -> None:
    assert "output" not in MODEL["operations"][action]


@pytest.mark.parametrize("structure", sorted(STRUCTURES))
def test_a_structure_has_the_models_members(structure: str) -> None:
    assert fields(STRUCTURES[structure]) == members(structure)


def test_what_is_not_served_is_in_the_model_and_in_no_message() -> None:
    for path in NOT_SERVED:
        structure, _, member = path.partition(".")
        assert member in SHAPES[structure]["members"]
        assert snake(member) not in fields(STRUCTURES[structure])
