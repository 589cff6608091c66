"""The calls that manage snapshots: sharing, locks, the recycle bin, tags. Over botocore, beside those of `boto`.

None of them moves blocks, so each is one request, or pages of one list. Whatever may be repeated is, as `engine` does;
what would be done twice by that (making a rule, taking a snapshot out of the bin) is asked once.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from neve.client.boto import Connection, called, made_clients, milliseconds
from neve.client.engine import Engine
from neve.client.retries import FIRST_CONTACT
from neve.client.translation import translated
from neve.domain.retention import ResourceTag
from neve.messages.ebs import Tag
from neve.messages.ec2 import TagDescription
from neve.messages.ec2_lifecycle import LockedSnapshotsInfo, SnapshotRecycleBinInfo
from neve.messages.rbin import DAYS, EBS_SNAPSHOT, GetRuleResponse, RetentionPeriod
from neve.messages.rbin import ResourceTag as RuleTag

EVERYBODY: Final = "all"
_PERMISSION: Final = "createVolumePermission"
_PAGE: Final = 1_000


class Management:
    """One service's calls. The clients of botocore are made when they are needed first."""

    def __init__(self, connection: Connection, environment: Mapping[str, str], engine: Engine) -> None:
        self._connection = connection
        self._environment = environment
        self._engine = engine
        self._clients: dict[str, Any] = {}

    # --- sharing

    def share(self, snapshot_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Share a snapshot with accounts or `EVERYBODY`, and take that back. Repeating it changes nothing."""
        changes = {"Add": _grantees(add), "Remove": _grantees(remove)}
        self._ask(
            "ec2",
            "modify_snapshot_attribute",
            {
                "SnapshotId": snapshot_id,
                "Attribute": _PERMISSION,
                "CreateVolumePermission": {name: who for name, who in changes.items() if who},
            },
        )

    def shared_with(self, snapshot_id: str) -> Sequence[str]:
        """Return whom a snapshot is shared with: accounts, or `EVERYBODY`."""
        arguments = {"SnapshotId": snapshot_id, "Attribute": _PERMISSION}
        answer = self._ask("ec2", "describe_snapshot_attribute", arguments)
        return [
            each.get("UserId") or each.get("Group", "") for each in answer.get("CreateVolumePermissions", ())
        ]

    # --- locks

    def lock(
        self,
        snapshot_id: str,
        *,
        mode: str,
        days: int | None,
        until: datetime | None,
        cool_off_hours: int | None,
    ) -> LockedSnapshotsInfo:
        """Lock a snapshot, or change its lock, and return it."""
        arguments = {
            "SnapshotId": snapshot_id,
            "LockMode": mode,
            "LockDuration": days,
            "ExpirationDate": until,
            "CoolOffPeriod": cool_off_hours,
        }
        return _lock(self._ask("ec2", "lock_snapshot", arguments))

    def unlock(self, snapshot_id: str) -> None:
        """Take a lock off that may be."""
        self._ask("ec2", "unlock_snapshot", {"SnapshotId": snapshot_id})

    def locks(self) -> Iterator[LockedSnapshotsInfo]:
        """Yield the account's locked snapshots, those whose lock has expired too."""
        for page in self._pages("ec2", "describe_locked_snapshots"):
            yield from (_lock(item) for item in page.get("Snapshots", ()))

    # --- the recycle bin

    def in_bin(self) -> Iterator[SnapshotRecycleBinInfo]:
        """Yield the account's snapshots in the recycle bin."""
        for page in self._pages("ec2", "list_snapshots_in_recycle_bin"):
            yield from (_binned(item) for item in page.get("Snapshots", ()))

    def restore(self, snapshot_id: str) -> str:
        """Take a snapshot out of the bin; return the state it is in."""
        answer = self._ask_once("ec2", "restore_snapshot_from_recycle_bin", {"SnapshotId": snapshot_id})
        return str(answer.get("State", ""))

    def rules(self) -> Iterator[GetRuleResponse]:
        """Yield the account's retention rules for snapshots."""
        for page in self._pages("rbin", "list_rules", {"ResourceType": EBS_SNAPSHOT}):
            for item in page.get("Rules", ()):
                yield _rule(self._ask("rbin", "get_rule", {"Identifier": item["Identifier"]}))

    def add_rule(
        self, *, days: int, description: str, tags: Sequence[ResourceTag], but_tags: Sequence[ResourceTag]
    ) -> str:
        """Make a retention rule: for snapshots with one of `tags`, or for all but those with one of `but_tags`.

        Return its id.
        """
        arguments = {
            "RetentionPeriod": {"RetentionPeriodValue": days, "RetentionPeriodUnit": DAYS},
            "ResourceType": EBS_SNAPSHOT,
            "Description": description or None,
            "ResourceTags": _rule_tags(tags),
            "ExcludeResourceTags": _rule_tags(but_tags),
        }
        answer = self._ask_once("rbin", "create_rule", arguments)
        with translated():
            return str(answer["Identifier"])

    def remove_rule(self, rule_id: str) -> None:
        """Forget a retention rule; what is in the bin stays there as long as it was to."""
        self._ask_once("rbin", "delete_rule", {"Identifier": rule_id})

    # --- tags

    def set_tags(self, snapshot_ids: Sequence[str], tags: Sequence[Tag]) -> None:
        """Set tags on snapshots; a key that is there takes the new value."""
        pairs = [{"Key": tag.key, "Value": tag.value} for tag in tags]
        self._ask("ec2", "create_tags", {"Resources": list(snapshot_ids), "Tags": pairs})

    def remove_tags(self, snapshot_ids: Sequence[str], tags: Sequence[ResourceTag]) -> None:
        """Take tags off snapshots: whatever their value, or if they have it. Those not there are no error."""
        pairs = [{"Key": tag.key} | ({} if tag.value is None else {"Value": tag.value}) for tag in tags]
        self._ask("ec2", "delete_tags", {"Resources": list(snapshot_ids), "Tags": pairs})

    def tags(self, snapshot_ids: Sequence[str]) -> Iterator[TagDescription]:
        """Yield the account's tags on these snapshots, or on all."""
        filters = [{"Name": "resource-id", "Values": list(snapshot_ids)}] if snapshot_ids else None
        for page in self._pages("ec2", "describe_tags", {"Filters": filters}):
            for item in page.get("Tags", ()):
                yield TagDescription(
                    key=item["Key"],
                    resource_id=item["ResourceId"],
                    resource_type=item.get("ResourceType", ""),
                    value=item.get("Value", ""),
                )

    # --- asking

    def _ask(self, service: str, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return self._engine.call(lambda: self._ask_once(service, operation, arguments), FIRST_CONTACT)

    def _ask_once(self, service: str, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if service not in self._clients:
            (self._clients[service],) = made_clients(self._connection, self._environment, (service,))
        return called(getattr(self._clients[service], operation), arguments)

    def _pages(
        self, service: str, operation: str, arguments: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            page = self._ask(
                service, operation, {**(arguments or {}), "MaxResults": _PAGE, "NextToken": token}
            )
            yield page
            token = page.get("NextToken") or None
            if token is None:
                return


def _grantees(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"Group": name} if name == EVERYBODY else {"UserId": name} for name in names]


def _rule_tags(tags: Sequence[ResourceTag]) -> list[dict[str, str]] | None:
    return [
        {"ResourceTagKey": tag.key} | ({} if tag.value is None else {"ResourceTagValue": tag.value})
        for tag in tags
    ] or None


def _lock(item: Mapping[str, Any]) -> LockedSnapshotsInfo:
    def moment(name: str) -> int | None:
        return None if item.get(name) is None else milliseconds(item[name])

    with translated():
        return LockedSnapshotsInfo(
            owner_id=item.get("OwnerId", ""),
            snapshot_id=item["SnapshotId"],
            lock_state=item["LockState"],
            lock_duration=item.get("LockDuration", 0),
            cool_off_period=item.get("CoolOffPeriod"),
            cool_off_period_expires_on_ms=moment("CoolOffPeriodExpiresOn"),
            lock_created_on_ms=milliseconds(item.get("LockCreatedOn")),
            lock_duration_start_time_ms=moment("LockDurationStartTime"),
            lock_expires_on_ms=moment("LockExpiresOn"),
        )


def _binned(item: Mapping[str, Any]) -> SnapshotRecycleBinInfo:
    with translated():
        return SnapshotRecycleBinInfo(
            snapshot_id=item["SnapshotId"],
            recycle_bin_enter_time_ms=milliseconds(item.get("RecycleBinEnterTime")),
            recycle_bin_exit_time_ms=milliseconds(item.get("RecycleBinExitTime")),
            description=item.get("Description", ""),
            volume_id=item.get("VolumeId", ""),
        )


def _rule(item: Mapping[str, Any]) -> GetRuleResponse:
    with translated():
        return GetRuleResponse(
            identifier=item["Identifier"],
            description=item.get("Description", ""),
            resource_type=item.get("ResourceType", ""),
            retention_period=RetentionPeriod(
                retention_period_value=item["RetentionPeriod"]["RetentionPeriodValue"],
                retention_period_unit=item["RetentionPeriod"]["RetentionPeriodUnit"],
            ),
            resource_tags=_rule_tags_of(item, "ResourceTags"),
            status=item.get("Status", ""),
            rule_arn=item.get("RuleArn", ""),
            exclude_resource_tags=_rule_tags_of(item, "ExcludeResourceTags"),
        )


def _rule_tags_of(item: Mapping[str, Any], name: str) -> tuple[RuleTag, ...]:
    return tuple(
        RuleTag(resource_tag_key=tag["ResourceTagKey"], resource_tag_value=tag.get("ResourceTagValue"))
        for tag in item.get(name) or ()
    )
