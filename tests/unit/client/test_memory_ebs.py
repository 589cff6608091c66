"""The fake service keeps the promises of the real one (tests/compat/test_client_api.py)."""

import pytest

from neve.limits import TINY
from neve.testing.ebs_api_contract import Caller, EbsApiContract
from neve.testing.memory_ebs import MemoryEbs


@pytest.fixture
def caller() -> Caller:
    return Caller(MemoryEbs(TINY), TINY)


class TestMemoryEbs(EbsApiContract):
    pass
