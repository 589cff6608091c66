"""Requests of the EC2 query protocol: parameters to messages (contract 9.1).

    Action=DescribeSnapshots&Version=2016-11-15&SnapshotId.1=…&Filter.1.Name=status&Filter.1.Value.1=completed

Names are paths into a tree; each action takes what it knows out of the tree, and whatever is left is an
unknown parameter: nothing is ignored. Only form is judged here; ids, counts and bounds are the operations' business.

A `+` is a blank in a form body, as forms have it, but stays a plus in a query: a signature holds for a query in
either spelling, so both must mean the same.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from neve.errors import CommonError, Ec2Error
from neve.messages import ec2
from neve.messages.ebs import Tag
from neve.messages.ec2_lifecycle import LifecycleRequest
from neve.messages.http import RequestHead
from neve.wire import percent
from neve.wire.ec2query_lifecycle import LIFECYCLE_ACTIONS
from neve.wire.query_parameters import Parameters, filters, malformed

API_VERSION: Final = "2016-11-15"
_SIGNATURE_PREFIX: Final = "X-Amz-"
"""Query parameters of a presigned request; they belong to the signature, not to the action."""
_FORM: Final = re.compile(r"[!-~]*", re.ASCII)


def decode(head: RequestHead, body: bytes) -> tuple[str, ec2.Ec2Request | LifecycleRequest]:
    """Return the action's name and its message.

    Raises:
        Ec2Error: MissingAction, InvalidAction, NoSuchVersion, UnknownParameter, MissingParameter,
            InvalidParameterValue, MalformedQueryString.
    """
    parameters = Parameters()
    for name, text in _pairs(head, body):
        parameters.put(name, text)
    action = parameters.text("Action")
    if not action:
        raise Ec2Error("MissingAction", "The request is missing an action or a required parameter.")
    read = _ACTIONS.get(action)
    if read is None:
        raise Ec2Error("InvalidAction", f"The action {action} is not valid for this web service.")
    version = parameters.required_text("Version")
    if version != API_VERSION:
        raise Ec2Error(
            "NoSuchVersion", f"The requested version ({version}) of service AmazonEC2 does not exist"
        )
    request = read(parameters)
    for name in parameters.unread():
        raise Ec2Error("UnknownParameter", f"The parameter {name} is not recognized")
    return action, request


def _pairs(head: RequestHead, body: bytes) -> Iterator[tuple[str, str]]:
    try:
        for name, texts in percent.query_values(head.raw_query).items():
            if not name.startswith(_SIGNATURE_PREFIX):
                yield from ((name, text) for text in texts)
        if head.method == "POST":
            form = body.decode("ascii")
            if _FORM.fullmatch(form) is None:
                raise malformed("The body is not form-encoded")
            for name, texts in percent.query_values(form.replace("+", " ")).items():
                yield from ((name, text) for text in texts)
    except (CommonError, UnicodeDecodeError):
        raise malformed("The query string contains a syntax error") from None


def _describe_snapshots(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.DescribeSnapshotsRequest(
        max_results=parameters.integer("MaxResults"),
        next_token=parameters.text("NextToken"),
        owner_ids=parameters.texts("Owner"),
        restorable_by_user_ids=parameters.texts("RestorableBy"),
        snapshot_ids=parameters.texts("SnapshotId"),
        dry_run=parameters.boolean("DryRun"),
        filters=filters(parameters),
    )


def _delete_snapshot(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.DeleteSnapshotRequest(
        snapshot_id=parameters.required_text("SnapshotId"), dry_run=parameters.boolean("DryRun")
    )


def _copy_snapshot(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.CopySnapshotRequest(
        source_region=parameters.required_text("SourceRegion"),
        source_snapshot_id=parameters.required_text("SourceSnapshotId"),
        description=parameters.text("Description"),
        destination_outpost_arn=parameters.text("DestinationOutpostArn"),
        destination_region=parameters.text("DestinationRegion"),
        encrypted=parameters.boolean("Encrypted"),
        kms_key_id=parameters.text("KmsKeyId"),
        presigned_url=parameters.text("PresignedUrl"),
        tag_specifications=tuple(
            ec2.TagSpecification(resource_type=item.text("ResourceType"), tags=_tags(item))
            for item in parameters.items("TagSpecification")
        ),
        completion_duration_minutes=parameters.integer("CompletionDurationMinutes"),
        destination_availability_zone=parameters.text("DestinationAvailabilityZone"),
        dry_run=parameters.boolean("DryRun"),
    )


def _tags(parameters: Parameters) -> tuple[Tag, ...]:
    return tuple(Tag(item.required_text("Key"), item.text("Value") or "") for item in parameters.items("Tag"))


def _create_tags(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.CreateTagsRequest(
        resources=parameters.texts("ResourceId"),
        tags=_tags(parameters),
        dry_run=parameters.boolean("DryRun"),
    )


def _delete_tags(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.DeleteTagsRequest(
        resources=parameters.texts("ResourceId"),
        tags=tuple(
            ec2.TagSelector(item.required_text("Key"), item.text("Value")) for item in parameters.items("Tag")
        ),
        dry_run=parameters.boolean("DryRun"),
    )


def _describe_tags(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.DescribeTagsRequest(
        filters=filters(parameters),
        max_results=parameters.integer("MaxResults"),
        next_token=parameters.text("NextToken"),
        dry_run=parameters.boolean("DryRun"),
    )


def _modify_snapshot_attribute(parameters: Parameters) -> ec2.Ec2Request:
    modifications = parameters.child("CreateVolumePermission")
    return ec2.ModifySnapshotAttributeRequest(
        snapshot_id=parameters.required_text("SnapshotId"),
        attribute=parameters.text("Attribute"),
        create_volume_permission=ec2.CreateVolumePermissionModifications(
            add=_permissions(modifications, "Add"), remove=_permissions(modifications, "Remove")
        ),
        group_names=parameters.texts("UserGroup"),
        operation_type=parameters.text("OperationType"),
        user_ids=parameters.texts("UserId"),
        dry_run=parameters.boolean("DryRun"),
    )


def _permissions(modifications: Parameters, name: str) -> tuple[ec2.CreateVolumePermission, ...]:
    return tuple(
        ec2.CreateVolumePermission(user_id=item.text("UserId"), group=item.text("Group"))
        for item in modifications.items(name)
    )


def _describe_snapshot_attribute(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.DescribeSnapshotAttributeRequest(
        snapshot_id=parameters.required_text("SnapshotId"),
        attribute=parameters.required_text("Attribute"),
        dry_run=parameters.boolean("DryRun"),
    )


def _reset_snapshot_attribute(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.ResetSnapshotAttributeRequest(
        snapshot_id=parameters.required_text("SnapshotId"),
        attribute=parameters.required_text("Attribute"),
        dry_run=parameters.boolean("DryRun"),
    )


def _modify_ebs_default_kms_key_id(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.ModifyEbsDefaultKmsKeyIdRequest(
        kms_key_id=parameters.required_text("KmsKeyId"), dry_run=parameters.boolean("DryRun")
    )


class _OnlyDryRun(Protocol):
    """A request that says nothing but whether it is meant."""

    def __call__(self, *, dry_run: bool) -> ec2.Ec2Request: ...


def _of_account(make: _OnlyDryRun) -> Callable[[Parameters], ec2.Ec2Request]:
    return lambda parameters: make(dry_run=parameters.boolean("DryRun"))


_ACTIONS: Final[Mapping[str, Callable[[Parameters], ec2.Ec2Request | LifecycleRequest]]] = {
    "DescribeSnapshots": _describe_snapshots,
    "DeleteSnapshot": _delete_snapshot,
    "CopySnapshot": _copy_snapshot,
    "CreateTags": _create_tags,
    "DeleteTags": _delete_tags,
    "DescribeTags": _describe_tags,
    "ModifySnapshotAttribute": _modify_snapshot_attribute,
    "DescribeSnapshotAttribute": _describe_snapshot_attribute,
    "ResetSnapshotAttribute": _reset_snapshot_attribute,
    "EnableEbsEncryptionByDefault": _of_account(ec2.EnableEbsEncryptionByDefaultRequest),
    "DisableEbsEncryptionByDefault": _of_account(ec2.DisableEbsEncryptionByDefaultRequest),
    "GetEbsEncryptionByDefault": _of_account(ec2.GetEbsEncryptionByDefaultRequest),
    "GetEbsDefaultKmsKeyId": _of_account(ec2.GetEbsDefaultKmsKeyIdRequest),
    "ModifyEbsDefaultKmsKeyId": _modify_ebs_default_kms_key_id,
    "ResetEbsDefaultKmsKeyId": _of_account(ec2.ResetEbsDefaultKmsKeyIdRequest),
    **LIFECYCLE_ACTIONS,
}
