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
from neve.messages.http import RequestHead
from neve.wire import percent

API_VERSION: Final = "2016-11-15"
_SIGNATURE_PREFIX: Final = "X-Amz-"
"""Query parameters of a presigned request; they belong to the signature, not to the action."""
_LEVELS_MAX: Final = 5
"""`TagSpecification.1.Tag.1.Key`; a deeper name is unknown as a whole."""
_POSITION: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_FORM: Final = re.compile(r"[!-~]*", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}


class Parameters:
    """One node of the tree. Reading takes a value out, so that `unread` is what nobody asked for."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.value: str | None = None
        self.children: dict[str, Parameters] = {}

    def put(self, name: str, text: str) -> None:
        """File a value under its dotted name.

        Raises:
            Ec2Error: MalformedQueryString if there is one already.
        """
        node = self
        for part in name.split(".", _LEVELS_MAX - 1):
            path = f"{node.path}.{part}" if node.path else part
            node = node.children.setdefault(part, Parameters(path))
        if node.value is not None:
            raise _malformed(f"The parameter {name} is given more than once")
        node.value = text

    def take(self) -> str | None:
        """Take this node's own value, if it has one."""
        value, self.value = self.value, None
        return value

    def text(self, name: str) -> str | None:
        """Take the value called `name`, if there is one."""
        child = self.children.get(name)
        return None if child is None else child.take()

    def required_text(self, name: str) -> str:
        """Take the value called `name`.

        Raises:
            Ec2Error: MissingParameter
        """
        text = self.text(name)
        if text is None:
            path = f"{self.path}.{name}" if self.path else name
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {path}")
        return text

    def integer(self, name: str) -> int | None:
        """Take a number.

        Raises:
            Ec2Error: InvalidParameterValue
        """
        text = self.text(name)
        if text is None:
            return None
        if _INTEGER.fullmatch(text) is None:
            raise _invalid(name, text, "Expecting an integer.")
        return int(text)

    def boolean(self, name: str) -> bool:
        """Take a flag; absent is false.

        Raises:
            Ec2Error: InvalidParameterValue
        """
        text = self.text(name)
        if text is None:
            return False
        flag = _BOOLEANS.get(text.lower())
        if flag is None:
            raise _invalid(name, text, "Expecting true or false.")
        return flag

    def child(self, name: str) -> "Parameters":
        """Return the node called `name`; an empty one if nothing was filed below it."""
        found = self.children.get(name)
        return Parameters() if found is None else found

    def items(self, name: str) -> list["Parameters"]:
        """Return the nodes `name.1`, `name.2`, … in the order of their numbers; gaps do not matter."""
        parent = self.child(name)
        numbers = [part for part in parent.children if _POSITION.fullmatch(part)]
        return [parent.children[part] for part in sorted(numbers, key=int)]

    def texts(self, name: str) -> tuple[str, ...]:
        """Take the values `name.1`, `name.2`, …"""
        taken = (item.take() for item in self.items(name))
        return tuple(value for value in taken if value is not None)

    def unread(self) -> Iterator[str]:
        """Yield the full names of the values nobody took."""
        if self.value is not None:
            yield self.path
        for child in self.children.values():
            yield from child.unread()


def decode(head: RequestHead, body: bytes) -> tuple[str, ec2.Ec2Request]:
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
                raise _malformed("The body is not form-encoded")
            for name, texts in percent.query_values(form.replace("+", " ")).items():
                yield from ((name, text) for text in texts)
    except (CommonError, UnicodeDecodeError):
        raise _malformed("The query string contains a syntax error") from None


def _describe_snapshots(parameters: Parameters) -> ec2.Ec2Request:
    return ec2.DescribeSnapshotsRequest(
        max_results=parameters.integer("MaxResults"),
        next_token=parameters.text("NextToken"),
        owner_ids=parameters.texts("Owner"),
        restorable_by_user_ids=parameters.texts("RestorableBy"),
        snapshot_ids=parameters.texts("SnapshotId"),
        dry_run=parameters.boolean("DryRun"),
        filters=_filters(parameters),
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
        filters=_filters(parameters),
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


def _filters(parameters: Parameters) -> tuple[ec2.Filter, ...]:
    return tuple(
        ec2.Filter(item.required_text("Name"), item.texts("Value")) for item in parameters.items("Filter")
    )


_ACTIONS: Final[Mapping[str, Callable[[Parameters], ec2.Ec2Request]]] = {
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
}


def _malformed(message: str) -> Ec2Error:
    return Ec2Error("MalformedQueryString", message)


def _invalid(name: str, text: str, expectation: str) -> Ec2Error:
    parameter = name[0].lower() + name[1:]
    return Ec2Error(
        "InvalidParameterValue", f"Value ( {text} ) for parameter {parameter} is invalid. {expectation}"
    )
