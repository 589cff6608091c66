"""Policies: those an account makes and those that are ready-made, and whom they are attached to."""

from typing import Final

from neve.clock import Clock
from neve.domain.identities import AccountId
from neve.domain.policies.documents import PolicyInvalid, PolicyKind, parse_policy
from neve.domain.policies.ready_made import READY_MADE
from neve.server.administration.accounts import Accounts
from neve.server.administration.messages import (
    AttachPolicy,
    DeletePolicy,
    DetachPolicy,
    ListPolicies,
    PolicyDetails,
    PolicyView,
    PutPolicy,
    ShowPolicy,
)
from neve.server.administration.texts import check_policy_name, conflict, invalid, moment
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_identities import ManagedPolicy

POLICIES_MAX: Final = 1_500
"""AWS's own quota for an account."""
ATTACHED_MAX: Final = 10
"""AWS's own quota for a user. Every request of the user evaluates all of them."""


class PolicyDesk:
    """What operators ask about policies."""

    def __init__(self, metadata: MetadataStore, accounts: Accounts, clock: Clock) -> None:
        self._identities = metadata.identities
        self._accounts = accounts
        self._clock = clock

    def listed(self, request: ListPolicies) -> list[PolicyView]:
        account_id = self._account_id(request.account_id)
        own = [_view(policy) for policy in self._identities.policies(account_id)]
        return own + [_ready_made_view(account_id, name) for name in sorted(READY_MADE)]

    def put(self, request: PutPolicy) -> PolicyView:
        check_policy_name(request.policy_name)
        _check_not_ready_made(request.policy_name)
        try:
            parse_policy(request.document, PolicyKind.IDENTITY, name=request.policy_name)
        except PolicyInvalid as refused:
            raise invalid(f"the document is no policy: {refused}") from None
        account_id = self._account_id(request.account_id)
        there = {policy.policy_name for policy in self._identities.policies(account_id)}
        if request.policy_name not in there and len(there) >= POLICIES_MAX:
            raise conflict(
                f"account {account_id} has {POLICIES_MAX} policies, as many as an account may have"
            )
        now_ms = self._clock.now_ms()
        self._identities.put_policy(
            ManagedPolicy(
                account_id=account_id,
                policy_name=request.policy_name,
                document=request.document,
                created_ms=now_ms,
                updated_ms=now_ms,
            )
        )
        return _view(self._identities.policy(account_id, request.policy_name))

    def show(self, request: ShowPolicy) -> PolicyDetails:
        account_id = self._account_id(request.account_id)
        name = request.policy_name
        if name in READY_MADE:
            view, document = _ready_made_view(account_id, name), READY_MADE[name]
        else:
            policy = self._identities.policy(account_id, name)
            view, document = _view(policy), policy.document
        return PolicyDetails(
            account_id=account_id,
            policy_name=name,
            ready_made=view.ready_made,
            created=view.created,
            updated=view.updated,
            document=document,
            attached_to=self._attached_to(account_id, name),
        )

    def delete(self, request: DeletePolicy) -> None:
        _check_not_ready_made(request.policy_name)
        account_id = self._account_id(request.account_id)
        self._identities.policy(account_id, request.policy_name)
        if users := self._attached_to(account_id, request.policy_name):
            raise conflict(
                f"policy {request.policy_name} is attached to {', '.join(users[:5])}{'…' if users[5:] else ''}: take it off "
                "with `neve policies detach` first"
            )
        self._identities.remove_policy(account_id, request.policy_name)

    def attach(self, request: AttachPolicy) -> None:
        account_id = self._account_id(request.account_id)
        if request.policy_name not in READY_MADE:
            self._identities.policy(account_id, request.policy_name)
        attached = self._attached_names(account_id, request.user_name)
        if request.policy_name not in attached and len(attached) >= ATTACHED_MAX:
            raise conflict(
                f"user {request.user_name} has {ATTACHED_MAX} policies attached, as many as a user may have: put what "
                "they say together into fewer"
            )
        self._identities.attach_policy(account_id, request.user_name, request.policy_name)

    def detach(self, request: DetachPolicy) -> None:
        self._identities.detach_policy(
            self._account_id(request.account_id), request.user_name, request.policy_name
        )

    def _attached_to(self, account_id: AccountId, policy_name: str) -> list[str]:
        return [
            user.user_name
            for user in self._identities.users(account_id)
            if policy_name in self._attached_names(account_id, user.user_name)
        ]

    def _attached_names(self, account_id: AccountId, user_name: str) -> set[str]:
        return {each.policy_name for each in self._identities.attachments(account_id, user_name)}

    def _account_id(self, account_id: str | None) -> AccountId:
        return self._accounts.the(account_id).account_id


def _check_not_ready_made(name: str) -> None:
    if name in READY_MADE:
        raise conflict(f"{name} is ready-made: it is the same in every account, so choose another name")


def _view(policy: ManagedPolicy) -> PolicyView:
    return PolicyView(
        account_id=policy.account_id,
        policy_name=policy.policy_name,
        ready_made=False,
        created=moment(policy.created_ms),
        updated=moment(policy.updated_ms),
    )


def _ready_made_view(account_id: AccountId, name: str) -> PolicyView:
    return PolicyView(account_id=account_id, policy_name=name, ready_made=True, created=None, updated=None)
