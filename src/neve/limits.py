"""Every bound, in one place, with its unit in its name and its origin beside it.

`Limits` is a value: the service runs on `STANDARD`, tests may run whole programs on `TINY`, whose
blocks are 64 bytes and whose block maps branch 16 ways, so that every boundary is near.
A store remembers the sizes that shape its bytes and refuses to be opened with others.
"""

from dataclasses import dataclass

GIB = 1 << 30
MIB = 1 << 20
KIB = 1 << 10

BLOCK_MAP_DEPTH = 3
"""Levels of a block map, leaf included, whatever the volume's size (docs/format.md)."""

ERROR_MESSAGE_CHARS_MAX = 2048
"""A refusal's sentence. The model says 256, no SDK enforces it; quoted tokens alone may have 256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The sizes and bounds one service runs with. All are positive."""

    block_bytes: int = 512 * KIB
    """Contract 1.2: BlockSize is always 524288."""
    blocks_per_gib: int = 2048
    """Contract 4: index i covers bytes [i * block_bytes, (i + 1) * block_bytes)."""
    volume_gib_max: int = 65_536
    """Contract 2.1: 64 TiB, the documented maximum."""
    node_fanout: int = 1024
    """Children of an inner node, blocks of a leaf (design section 4)."""

    page_results_min: int = 100
    page_results_max: int = 10_000
    page_results_default: int = 10_000
    """Contract 2.1 and choice 36."""
    token_chars_max: int = 256
    """Contract 2.1: block tokens and page tokens."""
    block_token_age_s: int = 7 * 24 * 3600
    """Contract 6.2."""
    page_token_age_s: int = 3600
    """Contract 6.1."""

    timeout_minutes_min: int = 10
    timeout_minutes_max: int = 4320
    timeout_minutes_default: int = 60
    """Contract 3.7."""
    tags_per_snapshot_max: int = 50
    tag_key_chars_max: int = 127
    tag_value_chars_max: int = 255
    """Contract 3.5 and choice 11."""
    tag_resources_max: int = 1000
    """Contract 9.5: resources in one CreateTags or DeleteTags."""
    description_chars_max: int = 255
    """Contract 2.1, for every way to make a snapshot."""
    copy_duration_minutes_min: int = 15
    copy_duration_minutes_max: int = 2880
    copy_duration_minutes_step: int = 15
    """Contract 9.8."""
    permission_changes_max: int = 500
    """Contract 9.6: accounts and groups in one ModifySnapshotAttribute."""
    filter_values_max: int = 200
    """Contract 9.3."""
    describe_results_min: int = 5
    describe_results_max: int = 1000
    """Contract 9.3 and choice 67."""
    describe_text_chars_max: int = 1 * MIB
    """Text of descriptions and tags after which a page ends early: a thousand snapshots with fifty long tags have
    forty times as much, and answers that nobody reads stay in memory until their deadline."""
    describe_named_text_chars_max: int = 4 * MIB
    """The same of snapshots that a request names, which are answered whole or not at all: 4 KiB for each of a thousand."""
    lock_days_max: int = 36_500
    lock_cool_off_hours_max: int = 72
    """Contract 9.9."""
    bin_rules_max: int = 50
    """Of one account: the Recycle Bin's quota of retention rules in a region."""
    client_token_age_s_min: int = 24 * 3600
    """Choice 1."""

    json_body_bytes_max: int = 256 * KIB
    """Fifty tags of the longest kind, every character escaped, are about 120 KiB."""
    form_body_bytes_max: int = 1 * MIB
    """A thousand resource ids and fifty tags, percent-encoded, are about 100 KiB."""

    batch_bytes_max: int = 32 * MIB
    batch_entries_max: int = 256
    """One commit: a segment of this size at most (design section 5)."""
    seal_rows_max: int = 8192
    """Block rows and new nodes a completion holds in memory at once."""
    copy_slice_blocks: int = 128
    """Blocks a copy writes before it is written down that they are copied: done once more, at most, after a kill."""
    copy_blocks_at_once: int = 8
    """Blocks of a copy on their way at once, so that one sync is for several: 16 MiB in memory, as read and as sealed.
    More would be faster, and have requests wait for processors."""
    node_cache_bytes: int = 32 * MIB
    """Opened block-map nodes kept for readers."""

    def __post_init__(self) -> None:
        assert self.node_fanout % 8 == 0, "a presence bitmap is whole bytes"
        assert self.volume_blocks_max <= self.node_fanout**BLOCK_MAP_DEPTH, "a map covers any volume"
        assert self.page_results_min <= self.page_results_default <= self.page_results_max
        assert self.timeout_minutes_min <= self.timeout_minutes_default <= self.timeout_minutes_max

    @property
    def volume_blocks_max(self) -> int:
        """Blocks of the largest volume."""
        return self.volume_gib_max * self.blocks_per_gib


STANDARD = Limits()
"""What the service runs on."""

TINY = Limits(
    block_bytes=64,
    node_fanout=16,
    volume_gib_max=2,
    batch_bytes_max=1024,
    seal_rows_max=8,
    copy_slice_blocks=4,
    copy_blocks_at_once=2,
)
"""The same service in miniature, for tests that need many boundaries and little time."""
