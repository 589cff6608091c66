"""What policies would say to a request that nobody made, and why.

The question is put together as the pipeline does it, and the same function answers it. What a request would bring
(tags, sizes, the client's address) is told by whoever asks; the tags of a snapshot of the account are looked up: what is
shared is shared without them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from neve.auth.authorization import denial, snapshot_arn
from neve.auth.conditions import Conditions, Value, of_request
from neve.clock import Clock
from neve.domain.identities import Account, AccountId, SnapshotId
from neve.domain.kms_keys import KmsKey
from neve.domain.policies.documents import Policy, PolicyInvalid, PolicyKind, parse_policy
from neve.domain.policies.evaluation import (
    ContextValue,
    Decision,
    Question,
    RequestContext,
    decide,
    decide_for_key,
)
from neve.domain.policies.ready_made import READY_MADE
from neve.domain.principals import Principal, root_principal, user_arn
from neve.errors import SnapshotNotFound
from neve.messages.http import RequestHead
from neve.operations.key_permission import conditions_of
from neve.server.administration.accounts import Accounts
from neve.server.administration.keys import existing_key, grants_of
from neve.server.administration.messages import DecisionView, SimulateRequest
from neve.server.administration.texts import conflict, invalid, shown
from neve.stores.keys.contract_managed import ManagedKeys, description_of
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_identities import Attachment

_ACTION: Final = re.compile(r"(ebs|ec2|kms|sts):[A-Za-z]{1,128}", re.ASCII)
_SNAPSHOT: Final = re.compile(r"(?:arn:aws[a-z-]*:ec2:[a-z0-9-]*::snapshot/)?(snap-[0-9a-f]{1,64})", re.ASCII)
_RESOURCE: Final = re.compile(r"\*|arn:[^:\s]+:[^:\s]+:[^:\s]*:[^:\s]*:\S+")
_CONTEXT_KEY: Final = re.compile(r"[A-Za-z0-9-]+:\S(?:.*\S)?")
_CONTEXT_KEYS_MAX: Final = 100
_ENCRYPTION_CONTEXT: Final = "kms:encryptioncontext:"
_OF_NO_REQUEST: Final = RequestHead(method="", raw_target="", headers=())


class Simulator:
    """Answers what policies would say."""

    def __init__(
        self,
        metadata: MetadataStore,
        accounts: Accounts,
        keys: ManagedKeys | None,
        clock: Clock,
        region: str,
    ) -> None:
        self._metadata = metadata
        self._accounts = accounts
        self._keys = keys
        self._clock = clock
        self._region = region

    def ask(self, request: SimulateRequest) -> DecisionView:
        account = self._accounts.the(request.account_id)
        action = _checked_action(request.action)
        given: Mapping[str, ContextValue] = _checked_context(request.context)
        snapshot = _SNAPSHOT.fullmatch(request.resource)
        resource = request.resource
        if snapshot is not None and resource == snapshot[1]:
            resource = snapshot_arn(self._region, snapshot[1])
        key = self._key(account.account_id, resource) if action.startswith("kms:") else None
        resource = resource if key is None else key.arn
        if not _RESOURCE.fullmatch(resource):
            raise invalid(
                f"{shown(resource)} is no resource: write an ARN such as arn:aws:ec2:{self._region}::snapshot/snap-…, a "
                "snapshot's id, a key's id or alias, or * for an action without resources"
            )
        principal = self._principal(account, request.user_name)
        notes: list[str] = []
        if key is not None:
            given = {**conditions_of(description_of(key), ours=True), **given}
        context = self._context(principal, "" if snapshot is None else snapshot[1], given, notes)
        question = Question(principal=principal, action=action, resource=resource, context=context)
        decision = decide(question) if key is None else self._decide_for(key, question, request.context)
        return _view(question, decision, notes)

    def _key(self, account_id: AccountId, name: str) -> KmsKey | None:
        """Return the key that a resource names; None for patterns and where somebody else keeps the keys."""
        if self._keys is None or "*" in name:
            return None
        return existing_key(self._metadata.keys, self._keys, account_id, name)

    def _decide_for(self, key: KmsKey, question: Question, given: Mapping[str, list[str]]) -> Decision:
        # As it was given: the names of an encryption context differ by case, those of condition keys do not.
        encryption_context = {
            name[len(_ENCRYPTION_CONTEXT) :]: values[0]
            for name, values in given.items()
            if name.lower().startswith(_ENCRYPTION_CONTEXT) and values
        }
        return decide_for_key(
            question,
            key_policy=parse_policy(key.policy, PolicyKind.KEY),
            key_account_id=key.account_id,
            grants=lambda: grants_of(self._metadata.keys, key.key_id),
            encryption_context=encryption_context,
        )

    def _principal(self, account: Account, user_name: str) -> Principal:
        if not user_name:
            return root_principal(account.account_id)
        user = self._metadata.identities.user(account.account_id, user_name)
        attached = self._metadata.identities.attachments(account.account_id, user_name)
        return Principal(
            account_id=account.account_id,
            arn=user_arn(account.account_id, user_name),
            user_id=user.user_id,
            user_name=user_name,
            policies=tuple(_policy(each) for each in attached),
        )

    def _context(
        self, principal: Principal, snapshot_id: str, given: RequestContext, notes: list[str]
    ) -> RequestContext:
        fixed = of_request(_OF_NO_REQUEST, region=self._region, now_ms=self._clock.now_ms())

        def tags_of(_name: str) -> Mapping[str, str]:
            return self._tags(principal.account_id, snapshot_id, notes)

        return _Over(given, Conditions(fixed, tags_of).about(snapshot_id))

    def _tags(self, account_id: AccountId, snapshot_id: str, notes: list[str]) -> Mapping[str, str]:
        try:
            return self._metadata.snapshot(account_id, SnapshotId(snapshot_id)).tags
        except SnapshotNotFound:
            notes.append(f"snapshot {snapshot_id} is not the account's: it was taken to have no tags")
            return {}


class _Over(Mapping[str, Value]):
    """What is given, and behind it what is looked up: at most when a condition asks."""

    def __init__(self, given: RequestContext, looked_up: RequestContext) -> None:
        self._given = given
        self._looked_up = looked_up

    def __getitem__(self, key: str) -> Value:
        return self._given[key] if key in self._given else self._looked_up[key]

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*self._given, *self._looked_up))

    def __len__(self) -> int:
        return len(set(self._given) | set(self._looked_up))


def _policy(attached: Attachment) -> Policy:
    document = attached.document
    if document is None:
        document = READY_MADE.get(attached.policy_name, "")
    try:
        return parse_policy(document, PolicyKind.IDENTITY, name=attached.policy_name)
    except PolicyInvalid as unreadable:
        raise conflict(
            f"policy {attached.policy_name}, which is attached to the user, cannot be read, so that everything is denied "
            f"until it is put anew or detached: {unreadable}"
        ) from None


def _checked_action(action: str) -> str:
    if not _ACTION.fullmatch(action):
        raise invalid(
            f"{shown(action)} is no action of this service: write one such as ebs:PutSnapshotBlock, "
            "ec2:DeleteSnapshot, kms:Decrypt or sts:GetSessionToken"
        )
    return action


def _checked_context(context: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    if len(context) > _CONTEXT_KEYS_MAX:
        raise invalid(f"a request has at most {_CONTEXT_KEYS_MAX} condition keys here")
    for key in context:
        if not _CONTEXT_KEY.fullmatch(key):
            raise invalid(
                f"{shown(key)} is no condition key: write one such as aws:SourceIp or aws:RequestTag/team"
            )
    return {key.lower(): tuple(values) for key, values in context.items()}


def _view(question: Question, decision: Decision, notes: list[str]) -> DecisionView:
    principal, action, resource = question.principal, question.action, question.resource
    return DecisionView(
        allowed=decision.allowed,
        verdict=decision.verdict.name.lower().replace("_", "-"),
        principal=principal.arn,
        action=action,
        resource=resource,
        explanation=decision.explanation,
        message="" if decision.allowed else denial(principal, action, resource, decision.because),
        notes=notes,
    )
