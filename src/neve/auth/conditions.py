"""What policies may ask about a request: its condition keys (contract 11).

    of the request       aws:SourceIp, aws:CurrentTime, …     the same for everything the request demands
    of what it brings    aws:RequestTag/…, ebs:VolumeSize, …  the same, told by the operation's message
    of the resource      aws:ResourceTag/…                    looked up once, when a policy first asks for it

Keys are in lower case here, as in every `RequestContext`: policies may spell them as they like. Nothing is here that
the request did not prove or bring: a key that has no value is absent, not empty. `aws:SecureTransport` is false:
the connection that reaches us is plain, whatever a proxy before us speaks. What follows from who asks
(`aws:PrincipalArn`, `aws:username`, …) is the policies' own business.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from typing import Final

from neve.domain.policies.evaluation import ContextValue, RequestContext
from neve.messages.http import RequestHead

Value = Callable[[], ContextValue | None] | ContextValue
TagsOf = Callable[[str], Mapping[str, str]]
"""The tags of a snapshot as far as the caller can see it; none if it cannot."""

_AGENT_CHARS_MAX: Final = 1024
"""Ours: policies may compare it with thousands of patterns, and a header may be long."""
_TAG_KEYS: Final = "aws:tagkeys"
_REQUEST_TAG: Final = "aws:requesttag/"
_RESOURCE_TAGS: Final = ("aws:resourcetag/", "ec2:resourcetag/")
"""EC2 has the second spelling beside the common one."""


def of_request(head: RequestHead, *, region: str, now_ms: int) -> dict[str, Value]:
    """Return the keys that hold for whatever the request asks for."""
    keys: dict[str, Value] = {
        "aws:securetransport": ("false",),
        "aws:currenttime": lambda: (_time_text(now_ms),),
        "aws:epochtime": (str(now_ms // 1000),),
        "aws:requestedregion": (region,),
    }
    if head.peer:
        keys["aws:sourceip"] = lambda: (_source_ip(head.peer),)
    if agents := head.values("user-agent"):
        keys["aws:useragent"] = (agents[0][:_AGENT_CHARS_MAX],)
    return keys


def of_tags(tags: Sequence[tuple[str, str | None]]) -> dict[str, Value]:
    """Return the keys about the tags a request brings. A tag without a value is named but has no value to ask for."""
    if not tags:
        return {}
    return {
        _TAG_KEYS: tuple(dict.fromkeys(key for key, _ in tags)),
        **_by_folded_key(_REQUEST_TAG, [(key, value) for key, value in tags if value is not None]),
    }


class Conditions:
    """Everything policies may ask about one request. Belongs to one thread at a time."""

    def __init__(self, fixed: RequestContext, tags_of: TagsOf) -> None:
        self._fixed = fixed
        self._tags_of = tags_of

    def about(self, snapshot_id: str, *, every_tag: bool = False) -> RequestContext:
        """Return the keys for a demand; with a snapshot's id, its tags are among them, looked up if asked for.

        With `every_tag` the request is about all of them, as if it had named each.
        """
        if not snapshot_id:
            return self._fixed
        return _AboutSnapshot(self._fixed, self._tags_of, snapshot_id, every_tag=every_tag)


class _AboutSnapshot(Mapping[str, Value]):
    """The fixed keys, and the tags of one snapshot behind them."""

    def __init__(self, fixed: RequestContext, tags_of: TagsOf, snapshot_id: str, *, every_tag: bool) -> None:
        self._fixed = fixed
        self._tags_of = tags_of
        self._snapshot_id = snapshot_id
        self._every_tag = every_tag
        self._tags: Mapping[str, ContextValue] | None = None

    def __getitem__(self, name: str) -> Value:
        if name.startswith(_RESOURCE_TAGS) or (self._every_tag and name == _TAG_KEYS):
            return self._resource_tags()[name]
        return self._fixed[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._fixed
        yield from self._resource_tags()

    def __len__(self) -> int:
        return len(self._fixed) + len(self._resource_tags())

    def _resource_tags(self) -> Mapping[str, ContextValue]:
        if self._tags is None:
            tags = list(self._tags_of(self._snapshot_id).items())
            self._tags = {
                name: value
                for prefix in _RESOURCE_TAGS
                for name, value in _by_folded_key(prefix, tags).items()
            }
            if self._every_tag and tags:
                self._tags = {**self._tags, _TAG_KEYS: tuple(key for key, _ in tags)}
        return self._tags


def _by_folded_key(prefix: str, tags: Sequence[tuple[str, str]]) -> dict[str, ContextValue]:
    """Return a condition key for each tag. Tags whose keys differ in case only share one, with all their values:
    which of them a policy means cannot be told."""
    found: dict[str, tuple[str, ...]] = {}
    for key, value in tags:
        name = prefix + key.lower()
        found[name] = (*found.get(name, ()), value)
    return dict(found)


def _source_ip(peer: str) -> str:
    """Return an address as policies write it: no zone, and an IPv4 client of an IPv6 socket by its own address."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _time_text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
