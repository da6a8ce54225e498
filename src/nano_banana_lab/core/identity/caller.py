"""Who is asking."""

import msgspec

from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.shared.secrets import ApiKey


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The owner on whose behalf a request runs, and the key that pays for it when the caller brought one."""

    owner: OwnerId
    api_key: ApiKey | None = None
