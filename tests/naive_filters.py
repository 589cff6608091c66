"""EC2's filters once more, as plainly as they can be written: over whole answers as boto3 has them, by regular
expression. And random requests to try both on, whose values come from what there is to find.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

Shown = Mapping[str, Any]
"""One snapshot of a DescribeSnapshots, as boto3 has it."""
Wish = Mapping[str, Any]
"""One of boto3's `Filters`: Name and Values."""

FIELDS = {
    "description": "Description",
    "encrypted": "Encrypted",
    "owner-alias": "OwnerAlias",
    "owner-id": "OwnerId",
    "progress": "Progress",
    "snapshot-id": "SnapshotId",
    "start-time": "StartTime",
    "status": "State",
    "storage-tier": "StorageTier",
    "transfer-type": "TransferType",
    "volume-id": "VolumeId",
    "volume-size": "VolumeSize",
}
"""The documented filters that compare with a field, and the field; `tag-key` and `tag:<key>` are the others."""
DOCUMENTED = [*FIELDS, "tag-key", "tag:host"]


def matches(pattern: str, text: str) -> bool:
    """Say whether a filter value matches: `*`, `?`, and a backslash before one of the three."""
    expression = re.sub(
        r"\\([*?\\])|(\*)|(\?)|(.)",
        lambda found: ".*" if found[2] else "." if found[3] else re.escape(found[1] or found[4]),
        pattern,
        flags=re.DOTALL,
    )
    return re.fullmatch(expression, text, flags=re.DOTALL) is not None


def texts(shown: Shown, name: str) -> list[str]:
    """Return what a filter of this name compares with."""
    tags = {tag["Key"]: tag["Value"] for tag in shown.get("Tags", [])}
    if name == "tag-key":
        return list(tags)
    if name.startswith("tag:"):
        return [value for key, value in tags.items() if f"tag:{key}" == name]
    value = shown.get(FIELDS[name])
    if value is None:
        return []
    if name == "start-time":
        return [f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"]
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def chosen(everything: Sequence[Shown], wishes: Sequence[Wish]) -> list[str]:
    """Return the ids of those that pass every filter."""
    return [
        shown["SnapshotId"]
        for shown in everything
        if all(
            any(matches(pattern, text) for pattern in wish["Values"] for text in texts(shown, wish["Name"]))
            for wish in wishes
        )
    ]


# --- random filters


def wishes_about(everything: Sequence[Shown]) -> st.SearchStrategy[list[Wish]]:
    """Return up to four filters of up to four values, most of which match something."""
    return st.lists(_wish(everything), max_size=4)


def _wish(everything: Sequence[Shown]) -> st.SearchStrategy[Wish]:
    tag_keys = sorted({key for shown in everything for key in texts(shown, "tag-key")})
    names = st.sampled_from([*FIELDS, "tag-key", *(f"tag:{key}" for key in tag_keys), "tag:nobody"])
    return names.flatmap(
        lambda name: st.fixed_dictionaries(
            {
                "Name": st.just(name),
                "Values": st.lists(_value(everything, name), min_size=1, max_size=4),
            }
        )
    )


def _value(everything: Sequence[Shown], name: str) -> st.SearchStrategy[str]:
    found = sorted({text for shown in everything for text in texts(shown, name)})
    return st.sampled_from([*found, "nothing of the kind"]).flatmap(
        lambda text: st.sampled_from(list(_spoilt(text)))
    )


def _spoilt(text: str) -> Iterator[str]:
    """Yield patterns that match the text, and some that come close."""
    escaped = re.sub(r"([*?\\])", r"\\\1", text)
    middle = len(text) // 2
    yield text
    yield escaped
    yield f"{text[:middle]}*"
    yield f"*{text[middle:]}"
    yield f"{text[:1]}*{text[-1:]}"
    yield f"*{text[1:-1]}*"
    yield f"{text[:middle]}?{text[middle + 1 :]}"
    yield f"?{escaped}"
    yield f"{escaped}?"
    yield "?" * len(text)
    yield f"{escaped}*"
    yield text.swapcase()
    yield text[:-1]
    yield "*"
    yield ""
