"""KMS's messages against the service model that botocore ships: nothing missing, nothing extra, every constraint.

What answers leave out on purpose is listed, and must be in the model.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import botocore.loaders
import pytest

from neve.messages import kms, kms_responses
from neve.messages.constraints import Kind, Shape
from neve.messages.kms_shapes import Size
from neve.wire.kms_json import REQUEST_TYPES, TARGET_PREFIX

MODEL: Mapping[str, Any] = botocore.loaders.Loader().load_service_model("kms", "service-2")
OPERATIONS: Mapping[str, Any] = MODEL["operations"]
SHAPES: Mapping[str, Any] = MODEL["shapes"]

OTHER_KINDS_OF_KEYS = {
    "KeyMetadata": {
        "ValidTo",
        "CustomKeyStoreId",
        "CloudHsmClusterId",
        "ExpirationModel",
        "SigningAlgorithms",
        "KeyAgreementAlgorithms",
        "EncapsulationAlgorithms",
        "MultiRegionConfiguration",
        "PendingDeletionWindowInDays",
        "MacAlgorithms",
        "XksKeyConfiguration",
        "CurrentKeyMaterialId",
    },
    "GetKeyRotationStatusResponse": {"OnDemandRotationStartDate"},
    "RotationsListEntry": {
        "KeyMaterialId",
        "KeyMaterialDescription",
        "ImportState",
        "ExpirationModel",
        "ValidTo",
        "RotationType",
    },
    "GrantListEntry": {"GranteeServicePrincipal", "RetiringServicePrincipal"},
    "GenerateDataKeyResponse": {"CiphertextForRecipient", "KeyMaterialId"},
    "GenerateDataKeyWithoutPlaintextResponse": {"KeyMaterialId"},
    "GenerateRandomResponse": {"CiphertextForRecipient"},
    "DecryptResponse": {"CiphertextForRecipient", "KeyMaterialId"},
    "ReEncryptResponse": {"SourceKeyMaterialId", "DestinationKeyMaterialId"},
}
"""Members that answers never have: of keys there are none of here, of attested enclaves, and ids of materials."""


def without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or type(None) in get_args(hint):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    return hint


def described(hint: Any) -> Any:
    """Return a type of ours in the words of `model_described`."""
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    if get_origin(hint) is tuple:
        size = next((mark for mark in marks if isinstance(mark, Size)), Size())
        return ["list", size.minimum, size.maximum, described(get_args(hint)[0])]
    if get_origin(hint) is Mapping:
        return ["map", "string", "string"]
    if dataclasses.is_dataclass(hint):
        return structure(hint)
    shape = next((mark for mark in marks if isinstance(mark, Shape)), Shape(kind=Kind.BOOLEAN))
    assert {Kind.STRING: str, Kind.INTEGER: int, Kind.BOOLEAN: bool, Kind.BLOB: bytes}[shape.kind] is hint
    return [
        str(shape.kind),
        shape.minimum,
        shape.maximum,
        shape.pattern,
        list(shape.enum),
        shape.sensitive,
    ]


def structure(message: Any) -> list[Any]:
    hints = get_type_hints(message, include_extras=True)
    return [
        [
            kms.member_name(field.name),
            field.default is dataclasses.MISSING,
            described(without_none(hints[field.name])),
        ]
        for field in dataclasses.fields(message)
    ]


def model_described(name: str) -> Any:
    shape = SHAPES[name]
    kind = shape["type"]
    if kind == "list":
        return ["list", shape.get("min"), shape.get("max"), model_described(shape["member"]["shape"])]
    if kind == "map":
        return ["map", SHAPES[shape["key"]["shape"]]["type"], SHAPES[shape["value"]["shape"]]["type"]]
    if kind == "structure":
        required = shape.get("required", [])
        return [
            [member, member in required, model_described(reference["shape"])]
            for member, reference in shape["members"].items()
        ]
    return [
        kind,
        shape.get("min"),
        shape.get("max"),
        shape.get("pattern", ""),
        list(shape.get("enum", ())),
        shape.get("sensitive", False),
    ]


@pytest.mark.parametrize("operation", sorted(REQUEST_TYPES))
def test_a_request_is_the_models_with_every_constraint(operation: str) -> None:
    request_type = REQUEST_TYPES[operation]
    name = OPERATIONS[operation]["input"]["shape"]
    assert request_type.__name__ == name
    assert structure(request_type) == model_described(name)


ANSWERS = (
    *(type_ for type_ in get_args(kms_responses.KmsResponse) if type_ is not kms_responses.EmptyResponse),
    kms_responses.KeyMetadata,
    kms_responses.KeyListEntry,
    kms_responses.AliasListEntry,
    kms_responses.RotationsListEntry,
    kms_responses.GrantListEntry,
)


@pytest.mark.parametrize("response", ANSWERS, ids=lambda response: response.__name__)
def test_an_answer_has_the_models_members_in_the_models_order_but_for_those_listed(response: Any) -> None:
    members = list(SHAPES[response.__name__]["members"])
    left_out = OTHER_KINDS_OF_KEYS.get(response.__name__, set())
    assert left_out <= set(members)
    ours = [kms.member_name(field.name) for field in dataclasses.fields(response)]
    assert ours == [member for member in members if member not in left_out]


@pytest.mark.parametrize("response", ANSWERS, ids=lambda response: response.__name__)
def test_times_are_where_the_model_has_them(response: Any) -> None:
    members = SHAPES[response.__name__]["members"]
    for field in dataclasses.fields(response):
        kind = SHAPES[members[kms.member_name(field.name)]["shape"]]["type"]
        assert (kind == "timestamp") == field.name.endswith("_ms")


@pytest.mark.parametrize("operation", sorted(REQUEST_TYPES))
def test_an_operation_answers_with_the_models_structure(operation: str) -> None:
    output = OPERATIONS[operation].get("output", {"shape": "EmptyResponse"})["shape"]
    assert output in {response.__name__ for response in get_args(kms_responses.KmsResponse)}


def test_the_protocol_is_the_models() -> None:
    metadata = MODEL["metadata"]
    assert (metadata["protocol"], metadata["jsonVersion"]) == ("json", "1.1")
    assert metadata["targetPrefix"] + "." == TARGET_PREFIX
    assert set(REQUEST_TYPES) <= set(OPERATIONS)


def test_secrets_do_not_show_in_representations() -> None:
    request = kms.EncryptRequest(key_id="k", plaintext=b"the secret")
    assert "the secret" not in repr(request)
    answer = kms_responses.GenerateDataKeyResponse(ciphertext_blob=b"c", plaintext=b"the secret", key_id="k")
    assert "the secret" not in repr(answer)
