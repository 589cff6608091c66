"""The outcome matrix of contract 3.3 as data: what StartSnapshot's encryption parameters mean together."""

from itertools import product
from typing import Final, NamedTuple

from neve.domain.encryption import Outcome, Parent

PARENT_AND_KEY: Final = "ParentSnapshotId and KmsKeyArn cannot be specified together"
PARENT_AND_ENCRYPT: Final = "ParentSnapshotId and Encrypt cannot be specified together"
FALSE_AND_KEY: Final = "Encrypt cannot be false when KmsKeyArn is specified"
UNRECORDED: Final = ""
"""Of a refusal whose words nobody published."""
KEY, NO_KEY = True, False
PLAIN, SEALED = Parent.UNENCRYPTED, Parent.ENCRYPTED


class Row(NamedTuple):
    """One combination; what becomes of it is an outcome, or the words of a refusal."""

    label: str
    parent: Parent | None
    encrypted: bool | None
    has_key: bool
    default_off: Outcome | str
    default_on: Outcome | str

    def expected(self, *, by_default: bool) -> Outcome | str:
        return self.default_on if by_default else self.default_off

    def __str__(self) -> str:
        parent = "no-parent" if self.parent is None else f"{self.parent.value}-parent"
        return f"{self.label}-{parent}-Encrypted-{self.encrypted}-{'key' if self.has_key else 'no-key'}"


MATRIX: Final = (
    Row("DOC-LIVE", None, None, NO_KEY, Outcome.UNENCRYPTED, Outcome.DEFAULT_KEY),
    Row("DOC-LIVE", None, None, KEY, Outcome.GIVEN_KEY, Outcome.GIVEN_KEY),
    Row("DOC", None, True, NO_KEY, Outcome.DEFAULT_KEY, Outcome.DEFAULT_KEY),
    Row("DOC-LIVE", None, True, KEY, Outcome.GIVEN_KEY, Outcome.GIVEN_KEY),
    Row("DOC", None, False, NO_KEY, Outcome.UNENCRYPTED, UNRECORDED),
    Row("DOC-LIVE", None, False, KEY, FALSE_AND_KEY, FALSE_AND_KEY),
    Row("DOC", PLAIN, None, NO_KEY, Outcome.UNENCRYPTED, UNRECORDED),
    Row("LIVE", PLAIN, None, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", PLAIN, True, NO_KEY, PARENT_AND_ENCRYPT, PARENT_AND_ENCRYPT),
    Row("DOC-LIVE", PLAIN, False, NO_KEY, PARENT_AND_ENCRYPT, PARENT_AND_ENCRYPT),
    Row("DOC-LIVE", PLAIN, True, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", PLAIN, False, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", SEALED, None, NO_KEY, Outcome.PARENTS_KEY, Outcome.PARENTS_KEY),
    Row("DOC-LIVE", SEALED, None, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", SEALED, True, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", SEALED, False, KEY, PARENT_AND_KEY, PARENT_AND_KEY),
    Row("DOC-LIVE", SEALED, True, NO_KEY, PARENT_AND_ENCRYPT, PARENT_AND_ENCRYPT),
    Row("DOC-LIVE", SEALED, False, NO_KEY, PARENT_AND_ENCRYPT, PARENT_AND_ENCRYPT),
)
EVERY_COMBINATION: Final = tuple(product((None, *Parent), (None, True, False), (NO_KEY, KEY)))
