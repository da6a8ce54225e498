"""The library of prompts, and who writes more of them."""

from dishka import Provider, Scope, provide, provide_all

from nano_banana_lab.core.prompts.library import Library
from nano_banana_lab.core.prompts.own_prompts import OwnPrompts
from nano_banana_lab.core.prompts.ports import PromptWriter, StarterLibrary
from nano_banana_lab.core.prompts.write_prompts import WritePrompts
from nano_banana_lab.main.providers.generation import Gemini
from nano_banana_lab.main.settings import Settings


class Prompts(Provider):
    """The library: what ships with the lab, what users keep and what is written for them."""

    scope = Scope.APP

    @provide
    def starter_library(self) -> StarterLibrary:
        from nano_banana_lab.adapters.toml.starter_library import TomlStarterLibrary

        return TomlStarterLibrary()

    @provide
    def prompt_writer(self, settings: Settings, gemini: Gemini) -> PromptWriter:
        from nano_banana_lab.adapters.gemini.prompt_writer import GeminiPromptWriter

        return GeminiPromptWriter(
            api_key=None if settings.uses_sketch else gemini.operators_key,
            model_id=settings.text_model_id,
            retry_delays=settings.retry_delays,
            connection=gemini.connection,
        )

    use_cases = provide_all(Library, OwnPrompts, WritePrompts)
