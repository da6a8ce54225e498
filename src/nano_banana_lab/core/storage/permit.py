"""A commit that is applied soon or never, so that it can be told which it was."""

from dataclasses import dataclass

from nano_banana_lab.core.storage.operations import CommitRefused, Delete, Put
from nano_banana_lab.core.storage.ports import KeyValueStore

SECONDS = 4.0
"""How long a permit lasts: about as long as anybody waits for a store that hangs."""

REMEMBERED_SECONDS = 86400.0
"""How long it can be told that a permit was used."""

OPEN, USED = b"open", b"used"


@dataclass(frozen=True, kw_only=True)
class Permit:
    """Whoever hangs may do as they were told long after nobody waits any more; a commit that needs a permit cannot.

    `use` is one of its operations, refused once the permit has run out by the store's clock, or was withdrawn.
    Each permit has a `key` of its own, which is good for one commit.
    """

    key_values: KeyValueStore
    key: str

    async def take(self) -> None:
        """To be done before the commit. Raises `StoreUnavailable`; then there is nothing to withdraw."""
        await self.key_values.commit(Put(key=self.key, value=OPEN, ttl=SECONDS, if_absent=True))

    @property
    def use(self) -> Put:
        """What the commit holds besides its own operations."""
        return Put(key=self.key, value=USED, ttl=REMEMBERED_SECONDS, if_equals=OPEN)

    async def was_used(self) -> bool:
        """Withdraw it, and say whether the commit had been applied by then; afterwards it never is.

        Does no harm when it is called again. Raises `StoreUnavailable`.
        """
        try:
            await self.key_values.commit(Delete(key=self.key, if_equals=OPEN))
        except CommitRefused as refused:
            return refused.current == USED
        return False
