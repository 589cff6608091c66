"""Encrypt, Decrypt, ReEncrypt: up to 4 KiB under a key, bound to an encryption context."""

from collections.abc import Callable, Sequence
from typing import Final

from neve.domain.kms_keys import KEY_SPEC, EncryptionContext, KmsKey
from neve.errors import KmsError, ModelViolationError
from neve.messages import kms
from neve.messages.kms_responses import DecryptResponse, EncryptResponse, ReEncryptResponse
from neve.operations.context import Caller, Context
from neve.operations.kms.access import (
    ACCESS_DENIED,
    USING,
    Conditions,
    check_context,
    check_enabled,
    check_grant_tokens,
    end_dry_run,
    keyring_of,
    named_key,
    permit,
    permit_named,
    permitted_key,
)

ALGORITHM: Final = KEY_SPEC
"""The one that symmetric keys have."""

_ALGORITHM_CONDITION: Final[Conditions] = {"kms:encryptionalgorithm": (ALGORITHM,)}


def encrypt(ctx: Context, caller: Caller, request: kms.EncryptRequest) -> EncryptResponse:
    """Return the plaintext wrapped under the key; another ciphertext each time.

    Raises:
        KmsError: NotFoundException, AccessDeniedException, DisabledException, KMSInvalidStateException,
            InvalidKeyUsageException, InvalidGrantTokenException, DryRunOperationException.
    """
    check_grant_tokens(ctx, request.grant_tokens)
    context = request.encryption_context or {}
    key = permitted_key(
        ctx,
        caller,
        "kms:Encrypt",
        request.key_id,
        USING,
        encryption_context=context,
        conditions=_ALGORITHM_CONDITION,
    )
    check_enabled(key)
    _check_algorithm(key, request.encryption_algorithm)
    end_dry_run(dry_run=request.dry_run)
    ciphertext = keyring_of(ctx).encrypt(key.arn, request.plaintext, context)
    return EncryptResponse(ciphertext_blob=ciphertext, key_id=key.arn, encryption_algorithm=ALGORITHM)


def decrypt(ctx: Context, caller: Caller, request: kms.DecryptRequest) -> DecryptResponse:
    """Return what a ciphertext holds.

    Raises:
        KmsError: InvalidCiphertextException, IncorrectKeyException, NotFoundException, AccessDeniedException,
            DisabledException, KMSInvalidStateException, InvalidKeyUsageException, InvalidGrantTokenException,
            UnsupportedOperationException, ValidationException, DryRunOperationException.
    """
    refuse_recipient(request.recipient)
    check_grant_tokens(ctx, request.grant_tokens)
    context = request.encryption_context or {}
    ciphertext = _ciphertext(request)
    key = _permitted_source(
        ctx,
        caller,
        "kms:Decrypt",
        request.key_id,
        ciphertext,
        encryption_context=context,
        conditions=lambda _: _ALGORITHM_CONDITION,
    )
    check_enabled(key)
    _check_algorithm(key, request.encryption_algorithm)
    plaintext = b"" if ciphertext is None else keyring_of(ctx).decrypt(key.arn, ciphertext, context)
    end_dry_run(dry_run=request.dry_run)
    return DecryptResponse(key_id=key.arn, plaintext=plaintext, encryption_algorithm=ALGORITHM)


def re_encrypt(ctx: Context, caller: Caller, request: kms.ReEncryptRequest) -> ReEncryptResponse:
    """Return what a ciphertext holds wrapped under another key, or under the same one's newest material.

    Raises:
        KmsError: as `decrypt`, for either key.
    """
    check_grant_tokens(ctx, request.grant_tokens)
    context = request.source_encryption_context or {}
    to_context = request.destination_encryption_context or {}
    ciphertext = _ciphertext(request)
    check_context(to_context)
    to_key = _destination(ctx, caller, request.destination_key_id)

    def conditions(source: KmsKey) -> Conditions:
        is_same = isinstance(to_key, KmsKey) and source.arn == to_key.arn
        return {**_ALGORITHM_CONDITION, "kms:reencryptonsamekey": ("true" if is_same else "false",)}

    key = _permitted_source(
        ctx,
        caller,
        "kms:ReEncryptFrom",
        request.source_key_id,
        ciphertext,
        encryption_context=context,
        conditions=conditions,
    )
    if isinstance(to_key, KmsError):
        raise to_key
    permit_named(
        ctx,
        caller,
        "kms:ReEncryptTo",
        to_key,
        name=request.destination_key_id,
        encryption_context=to_context,
        conditions=conditions(key),
    )
    check_enabled(key)
    check_enabled(to_key)
    _check_algorithm(key, request.source_encryption_algorithm)
    _check_algorithm(to_key, request.destination_encryption_algorithm)
    if ciphertext is None:
        made = b""
    else:
        made, _ = keyring_of(ctx).re_encrypt(
            key.arn, ciphertext, context, to_key_arn=to_key.arn, to_context=to_context
        )
    end_dry_run(dry_run=request.dry_run)
    return ReEncryptResponse(
        ciphertext_blob=made,
        source_key_id=key.arn,
        key_id=to_key.arn,
        source_encryption_algorithm=ALGORITHM,
        destination_encryption_algorithm=ALGORITHM,
    )


def refuse_recipient(recipient: kms.RecipientInfo | None) -> None:
    """Return unless the answer is to be for an attested enclave, which there is no proof of here.

    Raises:
        KmsError: UnsupportedOperationException.
    """
    if recipient is not None:
        raise KmsError("UnsupportedOperationException", "Recipient is not supported.")


def missing(member: str) -> ModelViolationError:
    """Return the refusal of a request without a member that the model lets go and the operation does not."""
    return ModelViolationError(
        f"Value null at '{member}' failed to satisfy constraint: Member must not be null"
    )


def _ciphertext(request: kms.DecryptRequest | kms.ReEncryptRequest) -> bytes | None:
    """Return the ciphertext; None for a question that is to be answered without one."""
    modifiers: Sequence[str] = request.dry_run_modifiers or ()
    if modifiers and not request.dry_run:
        raise KmsError("ValidationException", "DryRunModifiers go with DryRun only.")
    if modifiers:
        return None
    if request.ciphertext_blob is None:
        raise missing("ciphertextBlob")
    return request.ciphertext_blob


def _permitted_source(
    ctx: Context,
    caller: Caller,
    action: str,
    name: str | None,
    ciphertext: bytes | None,
    *,
    encryption_context: EncryptionContext,
    conditions: Callable[[KmsKey], Conditions],
) -> KmsKey:
    """Return the key that a ciphertext was made with, if the caller may open what was made with it.

    If one is named too, it must be that one; the caller must be let use it before anything is said of the ciphertext.

    Raises:
        KmsError: AccessDeniedException; for another account's key that only the ciphertext names, as if it were gone.
            IncorrectKeyException, InvalidCiphertextException, NotFoundException, ValidationException.
    """
    check_context(encryption_context)
    if name is not None:
        named = named_key(ctx, caller, action, name, USING)
        permit_named(
            ctx,
            caller,
            action,
            named,
            name=name,
            encryption_context=encryption_context,
            conditions=conditions(named),
        )
        if ciphertext is not None and _key_of(ctx, caller, ciphertext) != named:
            raise KmsError(
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation.",
            )
        return named
    if ciphertext is None:
        raise KmsError("ValidationException", "Without a ciphertext the request must name its key.")
    key = _key_of(ctx, caller, ciphertext)
    if key is None:
        raise _out_of_reach()
    try:
        permit(ctx, caller, action, key, encryption_context=encryption_context, conditions=conditions(key))
    except KmsError as error:
        if error.code != ACCESS_DENIED or key.account_id == caller.account_id:
            raise
        raise _out_of_reach() from None
    return key


def _key_of(ctx: Context, caller: Caller, ciphertext: bytes) -> KmsKey | None:
    """Return the key that a ciphertext says it was made with; None if there is no such key."""
    keyring = keyring_of(ctx)
    try:
        return keyring.resolve(caller.account_id, keyring.key_of(ciphertext))
    except KmsError as error:
        if error.code != "NotFoundException":
            raise
        return None


def _destination(ctx: Context, caller: Caller, name: str) -> KmsKey | KmsError:
    """Return the key to encrypt with, or why there is none: to be said once the source's key was permitted.

    Otherwise it would tell of another account's key whether it is there: only then does the source decide.
    """
    try:
        return named_key(ctx, caller, "kms:ReEncryptTo", name, USING)
    except KmsError as refusal:
        return refusal


def _out_of_reach() -> KmsError:
    return KmsError(
        ACCESS_DENIED,
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
        "or you are not allowed to access.",
    )


def _check_algorithm(key: KmsKey, algorithm: str | None) -> None:
    if algorithm not in {None, ALGORITHM}:
        raise KmsError(
            "InvalidKeyUsageException",
            f"{key.arn} is a symmetric key, whose only algorithm is {ALGORITHM}, not {algorithm}.",
        )
