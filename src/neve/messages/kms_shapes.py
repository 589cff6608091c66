"""What the KMS model demands of each kind of value, as annotations that the messages of `kms` carry.

    key_id: KeyId        is a `str` to Python, and a length between 1 and 2048 to `wire.kms_json`

So a member's type, its constraint and its place stand on one line. All of it is pinned to the service model that
botocore ships by tests/unit/messages/test_kms_model.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from neve.limits import KIB
from neve.messages.constraints import Kind, Shape


@dataclass(frozen=True, slots=True)
class Size:
    """How many items a list may have; None for any number."""

    minimum: int | None = None
    maximum: int | None = None


def _text(
    minimum: int | None = None, maximum: int | None = None, *, pattern: str = "", enum: tuple[str, ...] = ()
) -> Shape:
    return Shape(kind=Kind.STRING, minimum=minimum, maximum=maximum, pattern=pattern, enum=enum)


def _number(minimum: int, maximum: int) -> Shape:
    return Shape(kind=Kind.INTEGER, minimum=minimum, maximum=maximum)


SYMMETRIC_DEFAULT: Final = "SYMMETRIC_DEFAULT"

_ENCRYPTION_ALGORITHMS: Final = (SYMMETRIC_DEFAULT, "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE")
_KEY_SPECS_OF_OLD: Final = (
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    SYMMETRIC_DEFAULT,
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
    "SM2",
)
_KEY_SPECS: Final = (
    *_KEY_SPECS_OF_OLD,
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
)
_KEY_USAGES: Final = (
    "SIGN_VERIFY",
    "ENCRYPT_DECRYPT",
    "GENERATE_VERIFY_MAC",
    "KEY_AGREEMENT",
    "ENCAPSULATE_DECAPSULATE",
)
_GRANT_OPERATIONS: Final = (
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GetPublicKey",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
)
_SERVICE_PRINCIPAL: Final = r"^([A-Za-z0-9\-]+)\.([A-Za-z0-9\-]+)(\.[A-Za-z0-9\-]+)+$"

AliasName = Annotated[str, _text(1, 256, pattern="^[a-zA-Z0-9:/_-]+$")]
AttestationDocument = Annotated[bytes, Shape(kind=Kind.BLOB, minimum=1, maximum=256 * KIB)]
Ciphertext = Annotated[bytes, Shape(kind=Kind.BLOB, minimum=1, maximum=6 * KIB)]
CustomKeyStoreId = Annotated[str, _text(1, 64)]
CustomerMasterKeySpec = Annotated[str, _text(enum=_KEY_SPECS_OF_OLD)]
DataKeySpec = Annotated[str, _text(enum=("AES_256", "AES_128"))]
Description = Annotated[str, _text(0, 8 * KIB)]
DryRunModifiers = tuple[Annotated[str, _text(enum=("IGNORE_CIPHERTEXT",))], ...]
EncryptionAlgorithm = Annotated[str, _text(enum=_ENCRYPTION_ALGORITHMS)]
EncryptionContext = Mapping[str, str]
GrantId = Annotated[str, _text(1, 128)]
GrantName = Annotated[str, _text(1, 256, pattern="^[a-zA-Z0-9:/_-]+$")]
GrantOperations = tuple[Annotated[str, _text(enum=_GRANT_OPERATIONS)], ...]
GrantToken = Annotated[str, _text(1, 8 * KIB)]
GrantTokens = Annotated[tuple[GrantToken, ...], Size(0, 10)]
IncludeKeyMaterial = Annotated[str, _text(enum=("ALL_KEY_MATERIAL", "ROTATIONS_ONLY"))]
KeyEncryptionMechanism = Annotated[str, _text(enum=("RSAES_OAEP_SHA_256",))]
KeyId = Annotated[str, _text(1, 2048)]
KeySpec = Annotated[str, _text(enum=_KEY_SPECS)]
KeyUsage = Annotated[str, _text(enum=_KEY_USAGES)]
Limit = Annotated[int, _number(1, 1000)]
Marker = Annotated[str, _text(1, 1024, pattern=r"[\u0020-\u00FF]*")]
NumberOfBytes = Annotated[int, _number(1, 1024)]
Origin = Annotated[str, _text(enum=("AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"))]
PendingWindowInDays = Annotated[int, _number(1, 365)]
Plaintext = Annotated[bytes, Shape(kind=Kind.BLOB, minimum=1, maximum=4 * KIB, sensitive=True)]
PolicyDocument = Annotated[str, _text(1, 128 * KIB, pattern=r"[\u0009\u000A\u000D\u0020-\u00FF]+")]
PolicyName = Annotated[str, _text(1, 128, pattern=r"[\w]+")]
PrincipalId = Annotated[str, _text(1, 256, pattern=r"^[\w+=,.@:/-]+$")]
ResourceOwners = Annotated[
    tuple[Annotated[str, _text(enum=("SELF", "OTHER_ACCOUNTS_VIA_RAM"))], ...], Size(1, 2)
]
RotationPeriodInDays = Annotated[int, _number(90, 2560)]
ServicePrincipal = Annotated[str, _text(1, 128, pattern=_SERVICE_PRINCIPAL)]
SourceArn = Annotated[str, _text(20, 512, pattern="^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$")]
TagKey = Annotated[str, _text(1, 128)]
TagKeys = tuple[TagKey, ...]
TagValue = Annotated[str, _text(0, 256)]
XksKeyId = Annotated[str, _text(1, 128, pattern="^[a-zA-Z0-9-_.]+$")]
