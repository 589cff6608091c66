"""TagResource, UntagResource, ListTagsForResource; and what a rule's own tags may be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from neve.domain.retention import RetentionRule
from neve.domain.tags import RESERVED_PREFIX, has_tag_characters
from neve.errors import RbinError, RbinReason, RuleNotFound
from neve.messages import rbin
from neve.operations.context import Caller, Context
from neve.operations.rbin.naming import rule_id_of, rule_not_found

TAGS_MAX: Final = 50
"""As every AWS resource. The model takes 200 in one request."""


def list_tags_for_resource(
    ctx: Context, caller: Caller, request: rbin.ListTagsForResourceRequest
) -> rbin.ListTagsForResourceResponse:
    """Return a rule's tags, by key. Changes nothing.

    Raises:
        RbinError: ResourceNotFoundException.
    """
    rule_id = rule_id_of(ctx, caller.account_id, request.resource_arn)
    try:
        rule = ctx.metadata.lifecycle.rule(caller.account_id, rule_id)
    except RuleNotFound:
        raise rule_not_found() from None
    return rbin.ListTagsForResourceResponse(
        tags=tuple(rbin.Tag(key=key, value=value) for key, value in sorted(rule.tags.items()))
    )


def tag_resource(ctx: Context, caller: Caller, request: rbin.TagResourceRequest) -> rbin.EmptyResponse:
    """Set every tag on a rule, or none; a key that is there takes the new value. Repeating it changes nothing.

    Raises:
        RbinError: ResourceNotFoundException, ValidationException, ServiceQuotaExceededException.
    """
    tags = checked_tags(request.tags)

    def tagged(rule: RetentionRule) -> RetentionRule:
        together = {**rule.tags, **tags}
        if len(together) > TAGS_MAX:
            raise _too_many()
        return replace(rule, tags=together)

    _change(ctx, caller, request.resource_arn, tagged)
    return rbin.EmptyResponse()


def untag_resource(ctx: Context, caller: Caller, request: rbin.UntagResourceRequest) -> rbin.EmptyResponse:
    """Take tags off a rule. One that it does not have is no error.

    Raises:
        RbinError: ResourceNotFoundException.
    """
    _change(
        ctx,
        caller,
        request.resource_arn,
        lambda rule: replace(
            rule, tags={key: value for key, value in rule.tags.items() if key not in request.tag_keys}
        ),
    )
    return rbin.EmptyResponse()


def checked_tags(tags: Sequence[rbin.Tag]) -> Mapping[str, str]:
    """Return the tags of a request as a mapping.

    Raises:
        RbinError: ValidationException for a reserved or repeated key, or a character that tags do not have;
            ServiceQuotaExceededException for more than a rule may have.
    """
    found: dict[str, str] = {}
    for tag in tags:
        if tag.key.lower().startswith(RESERVED_PREFIX):
            raise _invalid("Tag keys that begin with aws: are reserved.")
        if tag.key in found:
            raise _invalid(f"Duplicate tag key: {tag.key}")
        if not has_tag_characters(tag.key) or not has_tag_characters(tag.value):
            raise _invalid("Tags consist of letters, numbers, spaces and _ . : / = + - @.")
        found[tag.key] = tag.value
    if len(found) > TAGS_MAX:
        raise _too_many()
    return found


def _change(ctx: Context, caller: Caller, arn: str, change: Callable[[RetentionRule], RetentionRule]) -> None:
    rule_id = rule_id_of(ctx, caller.account_id, arn)

    def changed(rules: Sequence[RetentionRule]) -> RetentionRule:
        for rule in rules:
            if rule.rule_id == rule_id:
                return change(rule)
        raise rule_not_found()

    ctx.metadata.lifecycle.change_rules(caller.account_id, changed)


def _too_many() -> RbinError:
    return RbinError(
        "ServiceQuotaExceededException",
        f"A retention rule can have at most {TAGS_MAX} tags.",
        reason=RbinReason.SERVICE_QUOTA_EXCEEDED,
        status=402,
    )


def _invalid(message: str) -> RbinError:
    return RbinError("ValidationException", message, reason=RbinReason.INVALID_PARAMETER_VALUE)
