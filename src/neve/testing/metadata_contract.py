"""The promises of `stores.metadata.contract`, as tests that every metadata store must pass.

A backend joins by giving the fixtures `store` and `spare` an empty store of its own each, created with
`memory_metadata.FACTS`:

    class TestMetadataStores(MetadataStoreContract):
        pass
"""

import pytest

from neve.stores.metadata.contract import MetadataStore
from neve.testing.metadata_contract_archive import (
    ArchiveChangesContract,
    ArchiveExportContract,
    ArchiveRestoreContract,
)
from neve.testing.metadata_contract_bin import RecycleBinContract, RetentionRulesContract
from neve.testing.metadata_contract_chunks import (
    BlockContract,
    ChunkContract,
    PagesContract,
    ReservationContract,
    SharingContract,
)
from neve.testing.metadata_contract_collection import (
    ChunkEntriesContract,
    CutContract,
    DropChunksContract,
    DropRowsContract,
    EpochContract,
    ForgetSnapshotsContract,
    UsesContract,
)
from neve.testing.metadata_contract_copies import CopiesContract
from neve.testing.metadata_contract_guests import GuestTagsContract, TagKeyContract
from neve.testing.metadata_contract_identities import IdentitiesContract
from neve.testing.metadata_contract_keys import (
    AliasesContract,
    GrantsContract,
    KmsKeysContract,
    WrappingsContract,
)
from neve.testing.metadata_contract_lives import (
    CompletionContract,
    DeletionContract,
    ExpiryContract,
    TagsContract,
)
from neve.testing.metadata_contract_locks import LocksContract
from neve.testing.metadata_contract_needs import HeldNodesContract, LivingContract
from neve.testing.metadata_contract_segments import (
    BadChunksContract,
    CondemnContract,
    RepointContract,
    SegmentsContract,
    SoundnessContract,
    VerifiedContract,
)
from neve.testing.metadata_contract_sharing import CheckStartContract, PermissionsContract
from neve.testing.metadata_contract_snapshots import AccountsContract, ClientTokenContract, StartContract
from neve.testing.metadata_contract_undoing import DeletionsContract, UndoingContract
from neve.testing.metadata_scene import Scene


class MetadataStoreContract(
    AccountsContract,
    StartContract,
    ClientTokenContract,
    CheckStartContract,
    PermissionsContract,
    CompletionContract,
    ExpiryContract,
    DeletionContract,
    TagsContract,
    ReservationContract,
    ChunkContract,
    BlockContract,
    PagesContract,
    SharingContract,
    IdentitiesContract,
    KmsKeysContract,
    AliasesContract,
    GrantsContract,
    WrappingsContract,
    GuestTagsContract,
    TagKeyContract,
    LocksContract,
    RecycleBinContract,
    RetentionRulesContract,
    CopiesContract,
    LivingContract,
    HeldNodesContract,
    EpochContract,
    CutContract,
    DropRowsContract,
    ChunkEntriesContract,
    DropChunksContract,
    UsesContract,
    ForgetSnapshotsContract,
    SegmentsContract,
    CondemnContract,
    RepointContract,
    VerifiedContract,
    SoundnessContract,
    BadChunksContract,
    UndoingContract,
    DeletionsContract,
    ArchiveChangesContract,
    ArchiveExportContract,
    ArchiveRestoreContract,
):
    """All of them. `scene` is the backend's `store` with two accounts in it."""

    @pytest.fixture
    def scene(self, store: MetadataStore) -> Scene:
        return Scene(store)
