"""CreateRule, GetRule, ListRules, UpdateRule, DeleteRule; LockRule and UnlockRule, which are refused.

A rule says which snapshots go to the recycle bin when they are deleted, and for how long (`domain.retention`): those
with one of its tags, or all of the account's but those with one of its excluded tags. It is asked for at the moment of
deletion: changing or removing it moves nothing that is in the bin already.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from neve.domain.retention import RETENTION_DAYS_MAX, ResourceTag, RetentionRule
from neve.domain.tokens import SALT_BYTES, Stamp, TokenInvalid
from neve.errors import RbinError, RbinReason, RuleNotFound
from neve.messages import rbin
from neve.operations.context import Caller, Context
from neve.operations.rbin.naming import new_rule_id, rule_arn, rule_not_found
from neve.operations.rbin.tagging import checked_tags

_OPERATION: Final = "ListRules"
_AVAILABLE: Final = "available"
_PAGE_RULES: Final = 1000
_AFTER: Final = "/"
"""Stands between the seal of a page token and the id of the last rule shown."""


def create_rule(ctx: Context, caller: Caller, request: rbin.CreateRuleRequest) -> rbin.CreateRuleResponse:
    """Make a rule; it counts for every deletion from now on. Repeating it makes another one.

    Raises:
        RbinError: ValidationException for other resources than snapshots, a lock, a period that is too long, tags and
            excluded tags together; ServiceQuotaExceededException.
    """
    _check_resource_type(request.resource_type)
    if request.lock_configuration is not None:
        raise _rules_cannot_be_locked()
    rule = RetentionRule(
        account_id=caller.account_id,
        rule_id=new_rule_id(ctx),
        description=request.description or "",
        retention_days=_checked_days(request.retention_period),
        resource_tags=_tags_from(request.resource_tags or ()),
        exclude_resource_tags=_tags_from(request.exclude_resource_tags or ()),
        tags=checked_tags(request.tags or ()),
        created_ms=ctx.clock.now_ms(),
    )
    _check_tags_go_together(rule)

    def added(rules: Sequence[RetentionRule]) -> RetentionRule:
        if len(rules) >= ctx.limits.bin_rules_max:
            raise RbinError(
                "ServiceQuotaExceededException",
                f"An account can have at most {ctx.limits.bin_rules_max} retention rules.",
                reason=RbinReason.SERVICE_QUOTA_EXCEEDED,
                status=402,
            )
        return rule

    ctx.metadata.lifecycle.change_rules(caller.account_id, added)
    return rbin.CreateRuleResponse(
        identifier=rule.rule_id,
        retention_period=_period(rule),
        description=rule.description,
        tags=tuple(rbin.Tag(key=key, value=value) for key, value in rule.tags.items()),
        resource_type=rbin.EBS_SNAPSHOT,
        resource_tags=_tags_of(rule.resource_tags),
        status=_AVAILABLE,
        rule_arn=rule_arn(ctx, rule),
        exclude_resource_tags=_tags_of(rule.exclude_resource_tags),
    )


def get_rule(ctx: Context, caller: Caller, request: rbin.GetRuleRequest) -> rbin.GetRuleResponse:
    """Return a rule. Changes nothing.

    Raises:
        RbinError: ResourceNotFoundException.
    """
    try:
        rule = ctx.metadata.lifecycle.rule(caller.account_id, request.identifier)
    except RuleNotFound:
        raise rule_not_found() from None
    return rbin.GetRuleResponse(
        identifier=rule.rule_id,
        description=rule.description,
        resource_type=rbin.EBS_SNAPSHOT,
        retention_period=_period(rule),
        resource_tags=_tags_of(rule.resource_tags),
        status=_AVAILABLE,
        rule_arn=rule_arn(ctx, rule),
        exclude_resource_tags=_tags_of(rule.exclude_resource_tags),
    )


def list_rules(ctx: Context, caller: Caller, request: rbin.ListRulesRequest) -> rbin.ListRulesResponse:
    """Return the account's rules by id, a page at a time: those that have all the tags that are asked for.

    Changes nothing. Every rule that is there all along is shown exactly once. No rule is or ever was locked, so there is
    none in any state of a lock.

    Raises:
        RbinError: ValidationException for other resources than snapshots, and for a page token that is forged, expired
            or of another request.
    """
    _check_resource_type(request.resource_type)
    tags, excluded = _tags_from(request.resource_tags or ()), _tags_from(request.exclude_resource_tags or ())
    subject = [caller.account_id, repr((tags, excluded, request.lock_state))]
    after = "" if request.next_token is None else _read_token(ctx, request.next_token, subject)
    found = [
        rule
        for rule in ctx.metadata.lifecycle.rules(caller.account_id)
        if rule.rule_id > after
        and request.lock_state is None
        and set(tags) <= set(rule.resource_tags)
        and set(excluded) <= set(rule.exclude_resource_tags)
    ]
    size = request.max_results or _PAGE_RULES
    page = found[:size]
    return rbin.ListRulesResponse(
        rules=tuple(
            rbin.RuleSummary(
                identifier=rule.rule_id,
                description=rule.description,
                retention_period=_period(rule),
                rule_arn=rule_arn(ctx, rule),
            )
            for rule in page
        ),
        next_token=_mint_token(ctx, page[-1].rule_id, subject) if len(found) > size else None,
    )


def update_rule(ctx: Context, caller: Caller, request: rbin.UpdateRuleRequest) -> rbin.UpdateRuleResponse:
    """Change what is given of a rule, all or nothing. Repeating it changes nothing.

    Raises:
        RbinError: ResourceNotFoundException; ValidationException as for CreateRule.
    """
    if request.resource_type is not None:
        _check_resource_type(request.resource_type)
    period = request.retention_period
    days = None if period is None else _checked_days(period)

    def changed(rules: Sequence[RetentionRule]) -> RetentionRule:
        for rule in rules:
            if rule.rule_id == request.identifier:
                break
        else:
            raise rule_not_found()
        updated = replace(
            rule,
            retention_days=rule.retention_days if days is None else days,
            description=rule.description if request.description is None else request.description,
            resource_tags=_updated(rule.resource_tags, request.resource_tags),
            exclude_resource_tags=_updated(rule.exclude_resource_tags, request.exclude_resource_tags),
        )
        _check_tags_go_together(updated)
        return updated

    rule = ctx.metadata.lifecycle.change_rules(caller.account_id, changed)
    return rbin.UpdateRuleResponse(
        identifier=rule.rule_id,
        retention_period=_period(rule),
        description=rule.description,
        resource_type=rbin.EBS_SNAPSHOT,
        resource_tags=_tags_of(rule.resource_tags),
        status=_AVAILABLE,
        rule_arn=rule_arn(ctx, rule),
        exclude_resource_tags=_tags_of(rule.exclude_resource_tags),
    )


def delete_rule(ctx: Context, caller: Caller, request: rbin.DeleteRuleRequest) -> rbin.EmptyResponse:
    """Forget a rule. What is in the bin stays for as long as it was to.

    Raises:
        RbinError: ResourceNotFoundException, so also for a repetition.
    """
    try:
        ctx.metadata.lifecycle.remove_rule(caller.account_id, request.identifier)
    except RuleNotFound:
        raise rule_not_found() from None
    return rbin.EmptyResponse()


def refuse_rule_lock(
    _ctx: Context, _caller: Caller, _request: rbin.LockRuleRequest | rbin.UnlockRuleRequest
) -> rbin.EmptyResponse:
    """Refuse LockRule and UnlockRule: rules cannot be locked here, only snapshots.

    Raises:
        RbinError: ValidationException, always.
    """
    raise _rules_cannot_be_locked()


def _checked_days(period: rbin.RetentionPeriod) -> int:
    if period.retention_period_value > RETENTION_DAYS_MAX:
        raise _invalid(f"Deleted snapshots can be retained for {RETENTION_DAYS_MAX} days at most.")
    return period.retention_period_value


def _check_resource_type(resource_type: str) -> None:
    if resource_type != rbin.EBS_SNAPSHOT:
        raise _invalid(f"There is a recycle bin for {rbin.EBS_SNAPSHOT} only, and not for {resource_type}.")


def _check_tags_go_together(rule: RetentionRule) -> None:
    if rule.resource_tags and rule.exclude_resource_tags:
        raise _invalid("A rule for snapshots with certain tags cannot exclude others by their tags.")


def _period(rule: RetentionRule) -> rbin.RetentionPeriod:
    return rbin.RetentionPeriod(retention_period_value=rule.retention_days, retention_period_unit=rbin.DAYS)


def _updated(
    tags: tuple[ResourceTag, ...], given: tuple[rbin.ResourceTag, ...] | None
) -> tuple[ResourceTag, ...]:
    return tags if given is None else _tags_from(given)


def _tags_from(tags: Sequence[rbin.ResourceTag]) -> tuple[ResourceTag, ...]:
    return tuple(ResourceTag(tag.resource_tag_key, tag.resource_tag_value) for tag in tags)


def _tags_of(tags: Sequence[ResourceTag]) -> tuple[rbin.ResourceTag, ...]:
    return tuple(rbin.ResourceTag(resource_tag_key=tag.key, resource_tag_value=tag.value) for tag in tags)


def _mint_token(ctx: Context, last: str, subject: Sequence[str]) -> str:
    stamp = Stamp(
        expires_ms=ctx.clock.now_ms() + ctx.limits.page_token_age_s * 1000,
        salt=ctx.entropy.take(SALT_BYTES),
    )
    return f"{ctx.tokens.page_token(stamp, _OPERATION, [*subject, last], 0)}{_AFTER}{last}"


def _read_token(ctx: Context, token: str, subject: Sequence[str]) -> str:
    sealed, _, last = token.partition(_AFTER)
    try:
        ctx.tokens.read_page_token(sealed, _OPERATION, [*subject, last], now_ms=ctx.clock.now_ms())
    except TokenInvalid:
        raise RbinError(
            "ValidationException",
            "The page token is not valid or is expired.",
            reason=RbinReason.INVALID_PAGE_TOKEN,
        ) from None
    return last


def _rules_cannot_be_locked() -> RbinError:
    return _invalid("Retention rules cannot be locked here. LockSnapshot of EC2 locks snapshots.")


def _invalid(message: str) -> RbinError:
    return RbinError("ValidationException", message, reason=RbinReason.INVALID_PARAMETER_VALUE)
