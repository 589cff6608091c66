"""The store's master key: read from where the operator keeps it, or made with the store.

Everything that is sealed is sealed under it, so a wrong key must be noticed before anything is written: the store
records the key's fingerprint, which tells keys apart and nothing about them.
"""

import os
import re
from pathlib import Path
from typing import Final

from neve.clock import Entropy
from neve.domain.keyring import MASTER_KEY_BYTES, master_key_fingerprint
from neve.errors import StoreUnusable
from neve.secret_sources import SecretKind, SecretSource, SecretUnavailable, read_secret

DEFAULT_SOURCE: Final = SecretSource(SecretKind.FILE, "master.key")
"""In the store's own directory."""
_KEY_TEXT: Final = re.compile(rb"([0-9a-f]{64})\n?")


def read_master_key(source: SecretSource, store: Path, *, fingerprint: str = "") -> bytes:
    """Return the master key that `source` holds; a relative path is relative to the store.

    `fingerprint` is the one the store was created with; empty if it does not say.

    Raises:
        StoreUnusable: it cannot be had, or is none, or not the store's. Says which key is missing.
    """
    wanted = f"its master key {fingerprint}" if fingerprint else "its master key"
    try:
        content = read_secret(source, relative_to=store)
    except SecretUnavailable as unavailable:
        raise StoreUnusable(
            f"the store in {store} needs {wanted}, and {unavailable}. Bring the key back from the copy you keep, "
            "or set master_key to where it is: without it nothing in this store can be read."
        ) from None
    match = _KEY_TEXT.fullmatch(content)
    if match is None:
        raise StoreUnusable(
            f"{source} holds no master key: it should be {2 * MASTER_KEY_BYTES} lower-case hex digits and a line "
            f"end. The store in {store} needs {wanted}: bring it back from the copy you keep."
        )
    master_key = bytes.fromhex(match.group(1).decode("ascii"))
    given = master_key_fingerprint(master_key)
    if fingerprint and given != fingerprint:
        raise StoreUnusable(
            f"the store in {store} was created with master key {fingerprint}; the key given ({source}) is {given}. "
            "Give it the key it was created with: no other opens anything in it."
        )
    return master_key


def file_to_make(source: SecretSource, store: Path) -> Path | None:
    """Return the file that a new store's key is to be written to; None if there is a key to read."""
    if source.kind is not SecretKind.FILE:
        return None
    file = store / source.place
    return None if os.path.lexists(file) else file


def new_master_key(entropy: Entropy) -> bytes:
    """Return a key nobody has seen."""
    return entropy.take(MASTER_KEY_BYTES)


def key_file_content(master_key: bytes) -> bytes:
    """Return what stands in a file with this key."""
    return master_key.hex().encode("ascii") + b"\n"
