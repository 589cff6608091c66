"""KMS keys with their material, aliases and grants, and the wrapped data keys of domains.

Every secret comes sealed. What a key's state allows is not decided here: a record takes the place of the one that its
writer read, or of none.
"""

import json
from collections.abc import Mapping, Sequence

from neve.domain.identities import AccountId, DomainKey
from neve.domain.kms_keys import Alias, Grant, KeyManager, KeyMaterial, KeyState, KmsKey, KmsKeyId
from neve.errors import (
    AliasExists,
    AliasNotFound,
    GrantNotFound,
    InvariantError,
    KmsKeyChanged,
    KmsKeyNotFound,
)
from neve.stores.metadata import statements_keys as statements
from neve.stores.metadata.contract_keys import DomainWrapping
from neve.stores.metadata.session import Row, Session, Value

# --- keys


def add_kms_key(session: Session, key: KmsKey, material: KeyMaterial) -> None:
    session.rows(statements.ADD_KEY, (key.key_id, *_changeable(key), key.revision))
    _add_material(session, key, material)


def kms_key(session: Session, key_id: KmsKeyId) -> KmsKey:
    rows = session.rows(statements.KEY, (key_id,))
    if not rows:
        raise KmsKeyNotFound(f"key {key_id} is not there")
    return _key_from(rows[0])


def kms_keys(
    session: Session, account_id: AccountId, *, after: KmsKeyId | None, limit: int
) -> Sequence[KmsKey]:
    return [_key_from(row) for row in session.rows(statements.KEYS, (account_id, after or "", limit))]


def replace_kms_key(session: Session, key: KmsKey, *, new_material: KeyMaterial | None) -> None:
    _demand_revision(session, key.key_id, key.revision)
    session.rows(statements.REPLACE_KEY, (*_changeable(key), key.key_id))
    if new_material is not None:
        _add_material(session, key, new_material)


def remove_kms_key(session: Session, key_id: KmsKeyId, *, revision: int) -> None:
    _demand_revision(session, key_id, revision)
    for statement in (
        statements.REMOVE_MATERIALS,
        statements.REMOVE_ALIASES_OF_KEY,
        statements.REMOVE_GRANTS,
        statements.REMOVE_KEY,
    ):
        session.rows(statement, (key_id,))


def kms_keys_to_delete(session: Session, *, now_ms: int, limit: int) -> Sequence[KmsKey]:
    return [_key_from(row) for row in session.rows(statements.KEYS_TO_DELETE, (now_ms, limit))]


def kms_keys_to_rotate(session: Session, *, now_ms: int, limit: int) -> Sequence[KmsKey]:
    return [_key_from(row) for row in session.rows(statements.KEYS_TO_ROTATE, (now_ms, limit))]


def key_materials(session: Session, key_id: KmsKeyId) -> Sequence[KeyMaterial]:
    return [
        KeyMaterial(
            key_id=KmsKeyId(key_id), version=version, sealed_material=sealed_material, created_ms=created_ms
        )
        for key_id, version, sealed_material, created_ms in session.rows(statements.MATERIALS, (key_id,))
    ]


def _add_material(session: Session, key: KmsKey, material: KeyMaterial) -> None:
    if material.key_id != key.key_id:
        raise InvariantError("a key is given another key's material")
    session.rows(
        statements.ADD_MATERIAL,
        (material.key_id, material.version, material.sealed_material, material.created_ms),
    )


def _demand_revision(session: Session, key_id: KmsKeyId, revision: int) -> None:
    rows = session.rows(statements.REVISION, (key_id,))
    if not rows:
        raise KmsKeyNotFound(f"key {key_id} is not there")
    if rows[0][0] != revision:
        raise KmsKeyChanged(f"key {key_id} was changed meanwhile")


def _changeable(key: KmsKey) -> tuple[Value, ...]:
    return (
        key.account_id,
        key.arn,
        key.description,
        key.manager.value,
        key.state.value,
        key.created_ms,
        key.deletion_ms,
        key.rotation_days,
        key.rotated_ms,
        key.material_version,
        key.policy,
        _json(key.tags),
    )


def _key_from(row: Row) -> KmsKey:
    (
        key_id,
        account_id,
        arn,
        description,
        manager,
        state,
        created_ms,
        deletion_ms,
        rotation_days,
        rotated_ms,
        material_version,
        policy,
        tags,
        revision,
    ) = row
    return KmsKey(
        key_id=KmsKeyId(key_id),
        account_id=AccountId(account_id),
        arn=arn,
        description=description,
        manager=KeyManager(manager),
        state=KeyState(state),
        created_ms=created_ms,
        deletion_ms=deletion_ms,
        rotation_days=rotation_days,
        rotated_ms=rotated_ms,
        material_version=material_version,
        policy=policy,
        tags=json.loads(tags),
        revision=revision,
    )


# --- aliases


def add_alias(session: Session, alias: Alias) -> None:
    if session.rows(statements.ALIAS, (alias.account_id, alias.name)):
        raise AliasExists(f"account {alias.account_id} has {alias.name}")
    _demand_key(session, alias.key_id)
    session.rows(
        statements.ADD_ALIAS,
        (alias.account_id, alias.name, alias.key_id, alias.created_ms, alias.updated_ms),
    )


def alias(session: Session, account_id: AccountId, name: str) -> Alias:
    rows = session.rows(statements.ALIAS, (account_id, name))
    if not rows:
        raise AliasNotFound(f"account {account_id} has no {name}")
    return _alias_from(rows[0])


def aliases(session: Session, account_id: AccountId, *, after: str | None, limit: int) -> Sequence[Alias]:
    return [_alias_from(row) for row in session.rows(statements.ALIASES, (account_id, after or "", limit))]


def move_alias(session: Session, account_id: AccountId, name: str, key_id: KmsKeyId, *, now_ms: int) -> None:
    alias(session, account_id, name)
    _demand_key(session, key_id)
    session.rows(statements.MOVE_ALIAS, (key_id, now_ms, account_id, name))


def remove_alias(session: Session, account_id: AccountId, name: str) -> None:
    if not session.rows(statements.REMOVE_ALIAS, (account_id, name)):
        raise AliasNotFound(f"account {account_id} has no {name}")


def _demand_key(session: Session, key_id: KmsKeyId) -> None:
    if not session.rows(statements.REVISION, (key_id,)):
        raise KmsKeyNotFound(f"key {key_id} is not there")


def _alias_from(row: Row) -> Alias:
    account_id, name, key_id, created_ms, updated_ms = row
    return Alias(
        account_id=AccountId(account_id),
        name=name,
        key_id=KmsKeyId(key_id),
        created_ms=created_ms,
        updated_ms=updated_ms,
    )


# --- grants


def add_grant(session: Session, grant: Grant) -> None:
    _demand_key(session, grant.key_id)
    session.rows(
        statements.ADD_GRANT,
        (
            grant.key_id,
            grant.grant_id,
            grant.grantee_principal,
            grant.retiring_principal,
            json.dumps(grant.operations),
            grant.name,
            None if grant.context_equals is None else _json(grant.context_equals),
            None if grant.context_subset is None else _json(grant.context_subset),
            grant.created_ms,
        ),
    )


def grants(session: Session, key_id: KmsKeyId, *, after: str | None, limit: int) -> Sequence[Grant]:
    return [_grant_from(row) for row in session.rows(statements.GRANTS, (key_id, after or "", limit))]


def remove_grant(session: Session, key_id: KmsKeyId, grant_id: str) -> None:
    if not session.rows(statements.REMOVE_GRANT, (key_id, grant_id)):
        raise GrantNotFound(f"key {key_id} has no grant {grant_id}")


def _grant_from(row: Row) -> Grant:
    key_id, grant_id, grantee, retiring, operations, name, context_equals, context_subset, created_ms = row
    return Grant(
        grant_id=grant_id,
        key_id=KmsKeyId(key_id),
        grantee_principal=grantee,
        retiring_principal=retiring,
        operations=tuple(json.loads(operations)),
        name=name,
        created_ms=created_ms,
        context_equals=None if context_equals is None else json.loads(context_equals),
        context_subset=None if context_subset is None else json.loads(context_subset),
    )


def _json(pairs: Mapping[str, str]) -> str:
    return json.dumps(dict(pairs), ensure_ascii=False)


# --- data keys of domains


def add_wrapping(session: Session, wrapping: DomainWrapping) -> bool:
    ((newest,),) = session.rows(statements.NEWEST_GENERATION, (wrapping.domain_key,))
    if 1 <= wrapping.generation <= newest:
        return False
    if wrapping.generation != newest + 1:
        raise InvariantError(f"generation {wrapping.generation} does not follow {newest}")
    session.rows(
        statements.ADD_WRAPPING,
        (
            wrapping.domain_key,
            wrapping.generation,
            wrapping.wrapping,
            wrapping.key_version,
            wrapping.created_ms,
        ),
    )
    return True


def wrappings(session: Session, domain_key: DomainKey) -> Sequence[DomainWrapping]:
    return [
        DomainWrapping(
            domain_key=DomainKey(key),
            generation=generation,
            wrapping=wrapping,
            key_version=key_version,
            created_ms=created_ms,
        )
        for key, generation, wrapping, key_version, created_ms in session.rows(
            statements.WRAPPINGS, (domain_key,)
        )
    ]


def rewrap(session: Session, old: DomainWrapping, new: DomainWrapping) -> bool:
    if (old.domain_key, old.generation) != (new.domain_key, new.generation):
        raise InvariantError("a generation is put in the place of another")
    values = (
        new.wrapping,
        new.key_version,
        new.created_ms,
        old.domain_key,
        old.generation,
        old.wrapping,
        old.key_version,
        old.created_ms,
    )
    return bool(session.rows(statements.REWRAP, values))
