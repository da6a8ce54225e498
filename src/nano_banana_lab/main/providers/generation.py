"""What makes pictures."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dishka import Provider, Scope, provide, provide_all

from nano_banana_lab.core.generation.admission import LOADING_AT_ONCE, Admission, LoadingRoom
from nano_banana_lab.core.generation.commission import CarryOut
from nano_banana_lab.core.generation.image_request import Resolution
from nano_banana_lab.core.generation.input_pictures import LoadPictures
from nano_banana_lab.core.generation.make_picture import MakePicture
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.generation.ports import ImageModel
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.main.settings import Settings

if TYPE_CHECKING:
    from nano_banana_lab.adapters.gemini.connection import GeminiConnection


@dataclass(frozen=True)
class Gemini:
    """The way to Gemini, opened when somebody first asks, and the operator's key, if there is one."""

    connection: "GeminiConnection"
    operators_key: ApiKey | None


class Generation(Provider):
    """Gemini with the operator's key, else the sketch; a caller's own key always means Gemini."""

    scope = Scope.APP

    @provide
    async def gemini(self, settings: Settings) -> AsyncIterator[Gemini]:
        """One client and its connections for all of its models."""
        from nano_banana_lab.adapters.gemini.connection import GeminiConnection

        connection = GeminiConnection(base_url=settings.google_gemini_base_url, api_version=settings.gemini_api_version)
        key = settings.google_api_key
        yield Gemini(connection, ApiKey(key.reveal()) if key else None)
        await connection.aclose()

    @provide
    def models(self, settings: Settings, gemini: Gemini) -> ImageModels:
        keyed = _gemini_image_model(settings, gemini)
        return ImageModels(default=_sketch() if settings.uses_sketch else keyed, keyed=keyed)

    @provide
    def loading_room(self, settings: Settings) -> LoadingRoom:
        return LoadingRoom(concurrent=LOADING_AT_ONCE, waiting=settings.max_waiting_generations)

    @provide
    def admission(self, settings: Settings) -> Admission:
        return Admission(concurrent=settings.max_concurrent_generations, waiting=settings.max_waiting_generations)

    use_cases = provide_all(PaidCalls, MakePicture, LoadPictures, CarryOut)


def _sketch() -> ImageModel:
    from nano_banana_lab.adapters.sketch.image_model import SketchImageModel

    return SketchImageModel()


def _gemini_image_model(settings: Settings, gemini: Gemini) -> ImageModel:
    from nano_banana_lab.adapters.gemini.image_model import GeminiImageModel

    seconds = settings.generation_timeout_seconds
    by_resolution = dict(zip(Resolution, seconds if len(seconds) == 3 else seconds * 3, strict=True))
    return GeminiImageModel(
        api_key=gemini.operators_key,
        model_id=settings.image_model_id,
        retry_delays=settings.retry_delays,
        timeouts=by_resolution,
        models_file=settings.image_models_file,
        connection=gemini.connection,
    )
