"""TagResource, UntagResource, ListResourceTags; and what a key's tags may be."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from neve.domain import kms_changes
from neve.domain.kms_keys import KmsKey
from neve.domain.tags import has_tag_characters
from neve.errors import KmsError
from neve.messages import kms
from neve.messages.kms_responses import EmptyResponse, ListResourceTagsResponse
from neve.operations.context import Caller, Context
from neve.operations.kms.access import MANAGING, keyring_of, permitted_key
from neve.operations.kms.pages import checked_marker, page

TAGS_MAX: Final = 50
"""KMS developer guide, "Tags": as every AWS resource."""

_RESERVED_PREFIX: Final = "aws:"
_MARKER: Final = re.compile(r".{1,128}", re.DOTALL)
_PAGE_TAGS: Final = 50


def tag_resource(ctx: Context, caller: Caller, request: kms.TagResourceRequest) -> EmptyResponse:
    """Set every tag on the key, or none; a tag that is there takes the new value. Repeating it changes nothing.

    Raises:
        KmsError: NotFoundException, AccessDeniedException, KMSInvalidStateException, TagException, LimitExceededException.
    """
    key = permitted_key(ctx, caller, "kms:TagResource", request.key_id, MANAGING)
    tags = checked_tags(request.tags)

    def tagged(read: KmsKey) -> KmsKey:
        kms_changes.check_not_pending(read)
        kms_changes.check_customers(read)
        together = {**read.tags, **tags}
        if len(together) > TAGS_MAX:
            raise _too_many()
        return replace(read, tags=together)

    keyring_of(ctx).update(key.key_id, tagged)
    return EmptyResponse()


def untag_resource(ctx: Context, caller: Caller, request: kms.UntagResourceRequest) -> EmptyResponse:
    """Take tags off the key. One that it does not have is no error.

    Raises:
        KmsError: NotFoundException, AccessDeniedException, KMSInvalidStateException.
    """
    key = permitted_key(ctx, caller, "kms:UntagResource", request.key_id, MANAGING)

    def untagged(read: KmsKey) -> KmsKey:
        kms_changes.check_not_pending(read)
        kms_changes.check_customers(read)
        left = {name: value for name, value in read.tags.items() if name not in request.tag_keys}
        return replace(read, tags=left)

    keyring_of(ctx).update(key.key_id, untagged)
    return EmptyResponse()


def list_resource_tags(
    ctx: Context, caller: Caller, request: kms.ListResourceTagsRequest
) -> ListResourceTagsResponse:
    """Return the key's tags, by name.

    Raises:
        KmsError: NotFoundException, AccessDeniedException, InvalidMarkerException.
    """
    key = permitted_key(ctx, caller, "kms:ListResourceTags", request.key_id, MANAGING)
    after = checked_marker(request.marker, _MARKER)
    left = sorted(name for name in key.tags if after is None or name > after)
    names, next_marker, truncated = page(left, request.limit or _PAGE_TAGS, str)
    return ListResourceTagsResponse(
        tags=tuple(kms.Tag(tag_key=name, tag_value=key.tags[name]) for name in names),
        next_marker=next_marker,
        truncated=truncated,
    )


def checked_tags(tags: Sequence[kms.Tag]) -> Mapping[str, str]:
    """Return the tags of a request as a mapping.

    Raises:
        KmsError: TagException for a reserved or repeated key, or a character that tags do not have;
            LimitExceededException for more than a key may have.
    """
    found: dict[str, str] = {}
    for tag in tags:
        if tag.tag_key.lower().startswith(_RESERVED_PREFIX):
            raise KmsError("TagException", "Tag keys that begin with aws: are reserved.")
        if tag.tag_key in found:
            raise KmsError("TagException", f"Duplicate tag keys: {tag.tag_key}")
        if not has_tag_characters(tag.tag_key) or not has_tag_characters(tag.tag_value):
            raise KmsError("TagException", "Tags consist of letters, numbers, spaces and _ . : / = + - @.")
        found[tag.tag_key] = tag.tag_value
    if len(found) > TAGS_MAX:
        raise _too_many()
    return found


def _too_many() -> KmsError:
    return KmsError("LimitExceededException", f"A key can have at most {TAGS_MAX} tags.")
