"""Which model makes a picture."""

from dataclasses import dataclass

from nano_banana_lab.core.generation.ports import ImageModel
from nano_banana_lab.core.shared.secrets import ApiKey


@dataclass(frozen=True, kw_only=True)
class ImageModels:
    """The operator's model, and the one for callers who pay with a key of their own."""

    default: ImageModel
    keyed: ImageModel

    def paid_by(self, key: ApiKey | None) -> ImageModel:
        """A caller's key always means the real model, even where the default is a placeholder."""
        return self.default if key is None else self.keyed
