"""Bring a conversation's parts back from the stores."""

from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.chat.compose_request import Replay, weight
from nano_banana_lab.core.chat.conversation import Exchange, KeptPart, decode_parts
from nano_banana_lab.core.generation.image_request import Part, PicturePart, TextPart
from nano_banana_lab.core.generation.input_pictures import MAX_TOTAL_BYTES
from nano_banana_lab.core.history.ports import InvalidImage, PictureTools
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, read_blob


@dataclass(frozen=True, kw_only=True)
class Recall:
    """Reads back from the newest exchange as far as one request can hold them and all can be replayed.

    From there on only the words are left, and the newest picture if none was read before.
    """

    blobs: BlobStore
    tools: PictureTools

    async def __call__(self, exchanges: tuple[Exchange, ...], *, route: str, most_pictures: int) -> list[Replay]:
        """One for each exchange, in order; those that were made on another `route` are not replayed.

        Reading ends with the `most_pictures` that the model takes, or with the bytes that it takes.

        Raises `StoreUnavailable`.
        """
        replays, pictures, size, going_on = list[Replay](), 0, 0, True
        for exchange in reversed(exchanges):
            if going_on and exchange.route == route:
                replay = await self._replay(exchange)
                more, larger = weight((*(replay.user or ()), *(replay.model or ())))
                pictures, size = pictures + more, size + larger
                room = pictures < most_pictures and size < MAX_TOTAL_BYTES
                going_on = bool(replay.model) and room and not exchange.afresh
            else:
                going_on = False
                wanted = all(later.picture is None for later in replays)
                replay = Replay(exchange=exchange, picture=await self._picture(exchange) if wanted else None)
            replays.append(replay)
        return replays[::-1]

    async def _replay(self, exchange: Exchange) -> Replay:
        try:
            kept = decode_parts(await read_blob(self.blobs, exchange.parts_key))
        except (BlobNotFound, msgspec.DecodeError):
            return Replay(exchange=exchange, picture=await self._picture(exchange))
        model = [await self._part(part, upright=False) for part in kept.model]
        if None in model:  # the owner has deleted the picture, so its drafts are not shown any more either
            return Replay(exchange=exchange)
        user = [await self._part(part, upright=True) for part in kept.user]
        picture = next((part for part in reversed(model) if isinstance(part, PicturePart)), None)
        return Replay(
            exchange=exchange,
            user=tuple(part for part in user if part is not None),  # what the user sent is nobody's signature
            model=tuple(part for part in model if part is not None),
            picture=_unsigned(picture, exchange) if picture else await self._picture(exchange),
        )

    async def _part(self, part: KeptPart, *, upright: bool) -> Part | None:
        if isinstance(part, TextPart) or (isinstance(part, PicturePart) and not upright):
            return part
        try:
            data = part.data if isinstance(part, PicturePart) else await read_blob(self.blobs, part.key)
            return PicturePart(
                data=await self.tools.upright(data) if upright else data,
                mime_type=part.mime_type,
                signature=part.signature,
                key=part.key if upright else None,
            )
        except (BlobNotFound, InvalidImage):
            return None

    async def _picture(self, exchange: Exchange) -> PicturePart | None:
        try:
            data = await read_blob(self.blobs, exchange.picture_key)
            mime_type = (await self.tools.inspect(data)).mime_type
            return PicturePart(data=data, mime_type=mime_type, key=exchange.picture_key)
        except (BlobNotFound, InvalidImage):
            return None


def _unsigned(picture: PicturePart, exchange: Exchange) -> PicturePart:
    return msgspec.structs.replace(picture, signature=None, key=exchange.picture_key)
