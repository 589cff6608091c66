"""What every part of the client works with."""

from collections.abc import Callable
from dataclasses import dataclass

from neve.client.api import EbsApi
from neve.client.digest_maps import DigestMaps
from neve.client.engine import Engine
from neve.client.progress import Meter
from neve.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientContext:
    """One service, and the means to talk to it. One for a command."""

    api: EbsApi
    engine: Engine
    maps: DigestMaps
    limits: Limits
    meter: Meter
    tell: Callable[[str], None]
    """Says a sentence to the person who waits."""

    @property
    def gib_bytes(self) -> int:
        """The unit of volume sizes: 1 GiB, unless the limits are a toy's."""
        return self.limits.block_bytes * self.limits.blocks_per_gib
