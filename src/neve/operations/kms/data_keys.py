"""GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateRandom."""

from collections.abc import Mapping
from typing import Final

from neve.domain.kms_keys import KmsKey
from neve.errors import KmsError
from neve.messages import kms
from neve.messages.kms_responses import (
    GenerateDataKeyResponse,
    GenerateDataKeyWithoutPlaintextResponse,
    GenerateRandomResponse,
)
from neve.operations.context import Caller, Context
from neve.operations.kms.access import (
    USING,
    check_enabled,
    check_grant_tokens,
    end_dry_run,
    keyring_of,
    permitted_key,
)
from neve.operations.kms.cryptography import missing, refuse_recipient
from neve.stores.keys.contract import DataKey

_SIZES: Final[Mapping[str, int]] = {"AES_256": 32, "AES_128": 16}


def generate_data_key(
    ctx: Context, caller: Caller, request: kms.GenerateDataKeyRequest
) -> GenerateDataKeyResponse:
    """Return fresh random bytes, in the clear and wrapped.

    Raises:
        KmsError: NotFoundException, AccessDeniedException, DisabledException, KMSInvalidStateException,
            InvalidGrantTokenException, UnsupportedOperationException, ValidationException, DryRunOperationException.
    """
    refuse_recipient(request.recipient)
    key, made = _made(ctx, caller, "kms:GenerateDataKey", request)
    return GenerateDataKeyResponse(ciphertext_blob=made.wrapping, plaintext=made.plaintext, key_id=key.arn)


def generate_data_key_without_plaintext(
    ctx: Context, caller: Caller, request: kms.GenerateDataKeyWithoutPlaintextRequest
) -> GenerateDataKeyWithoutPlaintextResponse:
    """Return fresh random bytes, wrapped.

    Raises:
        KmsError: as `generate_data_key`.
    """
    key, made = _made(ctx, caller, "kms:GenerateDataKeyWithoutPlaintext", request)
    return GenerateDataKeyWithoutPlaintextResponse(ciphertext_blob=made.wrapping, key_id=key.arn)


def generate_random(
    ctx: Context, _caller: Caller, request: kms.GenerateRandomRequest
) -> GenerateRandomResponse:
    """Return random bytes.

    Raises:
        KmsError: UnsupportedOperationException.
        ModelViolationError: nobody said how many.
    """
    keyring_of(ctx)
    refuse_recipient(request.recipient)
    if request.custom_key_store_id is not None:
        raise KmsError("UnsupportedOperationException", "CustomKeyStoreId is not supported.")
    if request.number_of_bytes is None:
        raise missing("numberOfBytes")
    return GenerateRandomResponse(plaintext=ctx.entropy.take(request.number_of_bytes))


def _made(
    ctx: Context,
    caller: Caller,
    action: str,
    request: kms.GenerateDataKeyRequest | kms.GenerateDataKeyWithoutPlaintextRequest,
) -> tuple[KmsKey, DataKey]:
    if (request.number_of_bytes is None) == (request.key_spec is None):
        raise KmsError("ValidationException", "Please specify either number of bytes or key spec.")
    check_grant_tokens(ctx, request.grant_tokens)
    context = request.encryption_context or {}
    key = permitted_key(ctx, caller, action, request.key_id, USING, encryption_context=context)
    check_enabled(key)
    end_dry_run(dry_run=request.dry_run)
    size_bytes = request.number_of_bytes or _SIZES[request.key_spec or ""]
    return key, keyring_of(ctx).generate_data_key(key.arn, context, size_bytes=size_bytes)
