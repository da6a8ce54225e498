"""Where a client finds a picture."""

from dataclasses import dataclass

from nano_banana_lab.core.history.picture import Picture
from nano_banana_lab.core.storage.ports import BlobStore


@dataclass(frozen=True)
class PictureUrls:
    """The public address when the store is published, else this service's own, which works for the owner."""

    blobs: BlobStore

    def of(self, picture: Picture) -> str:
        """The picture itself."""
        return self.blobs.public_url(picture.key) or self.own(picture)

    def own(self, picture: Picture) -> str:
        """The picture through this service."""
        return f"/api/history/{picture.id}/image"

    def thumbnail(self, picture: Picture) -> str:
        """The small copy; always through this service, which makes it when it is first asked for."""
        return f"{self.own(picture)}?size=thumb"
