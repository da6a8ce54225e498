"""The one path on which every picture is made and kept."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.generation.admission import Admission, LoadingRoom
from nano_banana_lab.core.generation.delivered_size import delivers
from nano_banana_lab.core.generation.generated_image import GeneratedImage, Usage
from nano_banana_lab.core.generation.image_request import ImageRequest, ImageSettings
from nano_banana_lab.core.generation.model_card import ModelCard
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls, ShuttingDown
from nano_banana_lab.core.generation.ports import ImageModel, NoImage, UpstreamRejected
from nano_banana_lab.core.history.keep_picture import KeepPicture
from nano_banana_lab.core.history.keys import picture_key
from nano_banana_lab.core.history.picture import Mode, Picture
from nano_banana_lab.core.history.ports import InvalidImage, PictureTools
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.quota.modes import quota_mode_of
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.storage.store_watch import StoreWatch

logger = logging.getLogger(__name__)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the model is asked; `fallback` instead when it does not accept its own earlier parts in `request`."""

    request: ImageRequest
    fallback: ImageRequest | None = None


class NewPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture just made: what is kept of it, and what the model said besides.

    `request` is the one that was answered, the question's own or its fallback.
    `noted` is False when what the order's `note` wanted to commit was refused; the picture is kept and paid for all the same.
    """

    picture: Picture
    answer: GeneratedImage
    request: ImageRequest
    noted: bool = True


Note = Callable[[NewPicture], Awaitable[Sequence[Operation]]]
"""Prepares what else shall be committed with the picture."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants which picture; `prompt` is how the history shall call it.

    `question` puts together what the model is asked, with these `settings` and the caller's key, once the picture is paid for;
    where it `loads` pictures, few do so at once. `asking` is called right before the model is asked.
    `prepaid` spends points that were set aside before; whoever did so gives them back when no picture comes.
    A `patient` order is never refused because too many wait already.
    """

    caller: Caller
    mode: Mode
    prompt: str
    settings: ImageSettings
    question: Callable[[], Awaitable[Question]]
    session_id: str | None = None
    note: Note | None = None
    prepaid: Sequence[Operation] | None = None
    patient: bool = False
    loads: bool = True
    asking: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class MakePicture:
    """Reserve, admit, generate, save. Once the model has been asked, the picture is kept even if the caller has gone.

    Whatever ends without a stored picture gives the reserved trial points back.
    """

    models: ImageModels
    tools: PictureTools
    keep: KeepPicture
    stores: StoreWatch
    trial: Trial
    admission: Admission
    loading_room: LoadingRoom
    paid_calls: PaidCalls
    clock: Clock

    async def __call__(self, order: Order) -> NewPicture:
        """Make the picture and keep it.

        Raises `ValidationFailed` for settings the model does not offer, `TrialRefused`, `Overloaded`, `ShuttingDown`,
        `StoreUnavailable` before anything is paid when a store is down, what the order's `question` raises,
        and every `GenerationError`.
        """
        self.models.paid_by(order.caller.api_key).card.check(order.settings)
        return await self.paid_calls.run(self._to_the_end(order))

    async def _to_the_end(self, order: Order) -> NewPicture:
        async with self._paid_for(order) as settlement:
            made = await self._generated(order)
            note = await order.note(made) if order.note else ()
            noted = await self._save(made.picture, made.answer.data, settlement, note)
        return msgspec.structs.replace(made, noted=noted)

    def _paid_for(self, order: Order) -> AbstractAsyncContextManager[Sequence[Operation]]:
        if order.prepaid is not None:
            return nullcontext(order.prepaid)
        price = quota_mode_of(order.mode, order.settings.resolution)
        return self.trial.picture(order.caller.owner, price, own_key=order.caller.api_key is not None)

    async def _generated(self, order: Order) -> NewPicture:
        owner, patient = order.caller.owner, order.patient
        async with AsyncExitStack() as loading:
            if order.loads:
                await loading.enter_async_context(self.loading_room.place(owner, patient=patient))
            question = await order.question()
            async with self.admission.place(owner, patient=patient):
                await loading.aclose()  # not before: what is loaded and waits is held by few
                if self.paid_calls.closed:  # since this order began to wait
                    raise ShuttingDown
                await self.stores.require()
                model = self.models.paid_by(order.caller.api_key)
                order.asking()
                started = time.perf_counter()
                answer, request = await _ask(model, question)
                duration = round(time.perf_counter() - started, 3)
        picture = await self._picture(order, answer, model.card, duration)
        return NewPicture(picture=picture, answer=answer, request=request)

    async def _save(
        self, picture: Picture, data: bytes, settlement: Sequence[Operation], note: Sequence[Operation]
    ) -> bool:
        """Keep the picture, whatever else is refused; says whether the note was taken."""
        try:
            await self.keep(picture, data, along_with=[*settlement, *note])
        except CommitRefused as refused:
            return await self._enter_without(refused, picture, settlement, note)
        return True

    async def _enter_without(
        self, refused: CommitRefused, picture: Picture, settlement: Sequence[Operation], note: Sequence[Operation]
    ) -> bool:
        """List the stored picture with what was not refused."""
        if refused.operation in settlement:
            # This process was so slow to renew its reservation that the points went back: a gift rather than a lost picture.
            logger.warning("a picture is kept that the trial was not charged for", extra={"key": picture.key})
            settlement = ()
        elif refused.operation in note:
            note = ()
        else:
            raise refused
        try:
            await self.keep.enter(picture, along_with=[*settlement, *note])
        except CommitRefused as again:
            return await self._enter_without(again, picture, settlement, note)
        return bool(note)

    async def _picture(self, order: Order, answer: GeneratedImage, card: ModelCard, duration: float) -> Picture:
        try:
            facts = await self.tools.inspect(answer.data)
        except InvalidImage as error:
            raise NoImage(finish_reason=answer.finish_reason, text=answer.text) from error
        picture_id, owner, settings = new_id(), order.caller.owner, order.settings
        created_at = from_milliseconds(milliseconds(self.clock.now()))
        return Picture(
            id=picture_id,
            owner=owner,
            key=picture_key(owner, created_at, picture_id, facts.mime_type),
            prompt=order.prompt,
            mode=order.mode,
            aspect_ratio=settings.aspect_ratio,
            resolution=settings.resolution,
            created_at=created_at,
            duration=duration,
            mime_type=facts.mime_type,
            width=facts.width,
            height=facts.height,
            size_bytes=len(answer.data),
            sha256=await asyncio.to_thread(_sha256, answer.data),
            model=answer.model,
            model_version=answer.model_version,
            matches_request=delivers(settings, facts.width, facts.height),
            usage=_counted(answer.usage),
            cost_usd=card.cost_usd(answer.usage),
            text_response=answer.text,
            thinking=answer.thinking,
            session_id=order.session_id,
            grounding=answer.grounding,
        )


async def _ask(model: ImageModel, question: Question) -> tuple[GeneratedImage, ImageRequest]:
    """The answer, and to what."""
    try:
        return await model.generate(question.request), question.request
    except UpstreamRejected as error:
        # Only what was refused outright (status 400) costs nothing; an answer that complains of the same may be billed.
        refused = error.details.get("reason") == "thought_signature" and "upstream_status" in error.details
        if question.fallback is None or not refused:
            raise
        return await model.generate(question.fallback), question.fallback


def _counted(usage: Usage) -> dict[str, int]:
    return {field: getattr(usage, field) for field in usage.__struct_fields__}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
