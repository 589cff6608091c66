"""Requests and responses of the Recycle Bin, version 2021-06-15: rules for how long deleted snapshots can be had back.

Fields are the model's members in snake case, in the model's order; what the model demands of them is part of their
types. `None` means that the member is absent. All of it is pinned to the service model that botocore ships by
tests/unit/messages/test_rbin_model.py; where neve knows better, `DEVIATIONS` says so and the test knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from neve.messages.constraints import Kind, Shape
from neve.messages.kms_shapes import Size

DAYS: Final = "DAYS"
EBS_SNAPSHOT: Final = "EBS_SNAPSHOT"
_RESOURCE_TYPES: Final = (EBS_SNAPSHOT, "EC2_IMAGE", "EBS_VOLUME")
_LOCK_STATES: Final = ("locked", "pending_unlock", "unlocked")
_ARN: Final = r"^arn:\S+:rbin:[a-z\-0-9]{0,63}:[0-9]{12}:rule/[0-9a-zA-Z]{11}$"


def _text(
    minimum: int | None = None, maximum: int | None = None, *, pattern: str = "", enum: tuple[str, ...] = ()
) -> Shape:
    return Shape(kind=Kind.STRING, minimum=minimum, maximum=maximum, pattern=pattern, enum=enum)


def _number(minimum: int, maximum: int) -> Shape:
    return Shape(kind=Kind.INTEGER, minimum=minimum, maximum=maximum)


Description = Annotated[str, _text(pattern=r"^[\S ]{0,255}$")]
LockState = Annotated[str, _text(enum=_LOCK_STATES)]
MaxResults = Annotated[int, _number(1, 1000)]
NextToken = Annotated[str, _text(pattern="^[A-Za-z0-9+/=]{1,2048}$")]
ResourceTagKey = Annotated[str, _text(pattern=r"^[\S\s]{1,128}$")]
ResourceTagValue = Annotated[str, _text(pattern=r"^[\S\s]{0,256}$")]
ResourceType = Annotated[str, _text(enum=_RESOURCE_TYPES)]
RetentionPeriodUnit = Annotated[str, _text(enum=(DAYS,))]
RetentionPeriodValue = Annotated[int, _number(1, 3650)]
RuleArn = Annotated[str, _text(0, 1011, pattern=_ARN)]
RuleIdentifier = Annotated[str, _text(pattern="[0-9a-zA-Z]{11}")]
TagKey = Annotated[str, _text(1, 128)]
TagValue = Annotated[str, _text(0, 256)]
UnlockDelayUnit = Annotated[str, _text(enum=(DAYS,))]
UnlockDelayValue = Annotated[int, _number(7, 30)]

DEVIATIONS: Final[Mapping[str, str]] = {
    "RuleArn": "the model repeats a repetition, which is no regular expression: an id has eleven characters",
    "TagKey": "its pattern names classes of characters, which the operations look at",
    "TagValue": "as above",
}
"""Shapes whose patterns are not the model's, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPeriod:
    retention_period_value: RetentionPeriodValue
    retention_period_unit: RetentionPeriodUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    key: TagKey
    value: TagValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceTag:
    resource_tag_key: ResourceTagKey
    resource_tag_value: ResourceTagValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockDelay:
    unlock_delay_value: UnlockDelayValue
    unlock_delay_unit: UnlockDelayUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class LockConfiguration:
    unlock_delay: UnlockDelay


Tags = Annotated[tuple[Tag, ...], Size(0, 200)]
TagKeys = Annotated[tuple[TagKey, ...], Size(0, 200)]
ResourceTags = Annotated[tuple[ResourceTag, ...], Size(0, 50)]
ExcludeResourceTags = Annotated[tuple[ResourceTag, ...], Size(0, 5)]


# --- requests


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRuleRequest:
    retention_period: RetentionPeriod
    description: Description | None = None
    tags: Tags | None = None
    resource_type: ResourceType
    resource_tags: ResourceTags | None = None
    lock_configuration: LockConfiguration | None = None
    exclude_resource_tags: ExcludeResourceTags | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRuleRequest:
    identifier: RuleIdentifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRulesRequest:
    max_results: MaxResults | None = None
    next_token: NextToken | None = None
    resource_type: ResourceType
    resource_tags: ResourceTags | None = None
    lock_state: LockState | None = None
    exclude_resource_tags: ExcludeResourceTags | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRuleRequest:
    identifier: RuleIdentifier
    retention_period: RetentionPeriod | None = None
    description: Description | None = None
    resource_type: ResourceType | None = None
    resource_tags: ResourceTags | None = None
    exclude_resource_tags: ExcludeResourceTags | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRuleRequest:
    identifier: RuleIdentifier


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRuleRequest:
    identifier: RuleIdentifier
    lock_configuration: LockConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockRuleRequest:
    identifier: RuleIdentifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTagsForResourceRequest:
    resource_arn: RuleArn


@dataclass(frozen=True, slots=True, kw_only=True)
class TagResourceRequest:
    resource_arn: RuleArn
    tags: Tags


@dataclass(frozen=True, slots=True, kw_only=True)
class UntagResourceRequest:
    resource_arn: RuleArn
    tag_keys: TagKeys


# --- answers


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRuleResponse:
    identifier: str
    retention_period: RetentionPeriod
    description: str
    tags: tuple[Tag, ...]
    resource_type: str
    resource_tags: tuple[ResourceTag, ...]
    status: str
    rule_arn: str
    exclude_resource_tags: tuple[ResourceTag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRuleResponse:
    identifier: str
    description: str
    resource_type: str
    retention_period: RetentionPeriod
    resource_tags: tuple[ResourceTag, ...]
    status: str
    rule_arn: str
    exclude_resource_tags: tuple[ResourceTag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSummary:
    identifier: str
    description: str
    retention_period: RetentionPeriod
    rule_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRulesResponse:
    rules: tuple[RuleSummary, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRuleResponse:
    identifier: str
    retention_period: RetentionPeriod
    description: str
    resource_type: str
    resource_tags: tuple[ResourceTag, ...]
    status: str
    rule_arn: str
    exclude_resource_tags: tuple[ResourceTag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTagsForResourceResponse:
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class EmptyResponse:
    """Of DeleteRule, TagResource and UntagResource."""


RbinRequest = (
    CreateRuleRequest
    | GetRuleRequest
    | ListRulesRequest
    | UpdateRuleRequest
    | DeleteRuleRequest
    | LockRuleRequest
    | UnlockRuleRequest
    | ListTagsForResourceRequest
    | TagResourceRequest
    | UntagResourceRequest
)
RbinResponse = (
    CreateRuleResponse
    | GetRuleResponse
    | ListRulesResponse
    | UpdateRuleResponse
    | ListTagsForResourceResponse
    | EmptyResponse
)
