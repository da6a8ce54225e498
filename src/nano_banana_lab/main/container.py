"""The composition root: everything that a lab is put together from."""

from dishka import AsyncContainer, Provider, Scope, from_context, make_async_container, provide

from nano_banana_lab.core.shared.clock import Clock, SystemClock
from nano_banana_lab.main.providers.chat import Chat
from nano_banana_lab.main.providers.generation import Generation
from nano_banana_lab.main.providers.history import History
from nano_banana_lab.main.providers.identity import Identity, owners
from nano_banana_lab.main.providers.prompts import Prompts
from nano_banana_lab.main.providers.quota import Quota
from nano_banana_lab.main.providers.storage import Storage
from nano_banana_lab.main.providers.tasks import Tasks
from nano_banana_lab.main.providers.web import Web
from nano_banana_lab.main.settings import Settings


class Given(Provider):
    """What everything else is made from."""

    scope = Scope.APP

    settings = from_context(Settings)
    clock = provide(SystemClock, provides=Clock)


def make_container(settings: Settings, *overrides: Provider) -> AsyncContainer:
    """The wiring for these settings; `overrides` replace single ports, for tests and for adapters of your own.

    Raises dishka's `NoFactoryError` when something that is needed is missing. Nothing is made before it is asked for.
    """
    providers = (
        Given(),
        Storage(),
        Identity(),
        owners(settings),
        Quota(),
        History(),
        Generation(),
        Chat(),
        Prompts(),
        Tasks(),
        Web(),
    )
    return make_async_container(*providers, *overrides, context={Settings: settings})
