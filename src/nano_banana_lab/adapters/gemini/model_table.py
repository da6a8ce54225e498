"""The image models Google offers, read from `models.toml`."""

import logging
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

from nano_banana_lab.core.generation.image_request import Resolution
from nano_banana_lab.core.generation.model_card import ModelCard, Prices

_log = logging.getLogger(__name__)


class GeminiModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the table; its fields are explained at the top of `models.toml`."""

    aspect_ratios: tuple[str, ...]
    image_tokens: Mapping[Resolution, int]
    prices: Prices
    aliases: tuple[str, ...] = ()
    max_input_images: int = 14
    thinking: bool = True
    image_size: bool = True
    grounding: bool = True
    retired: bool = False
    successor: str | None = None


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    unknown: GeminiModel
    models: Mapping[str, GeminiModel]


@cache
def _table() -> _Table:
    return msgspec.toml.decode(files(__package__).joinpath("models.toml").read_bytes(), type=_Table)


def current_id(model_id: str) -> str:
    """The id under which Google serves `model_id` today: itself, unless it was renamed (which is logged)."""
    for name, model in _table().models.items():
        if model_id in model.aliases:
            _log.warning("The model id %s was shut down by Google; using %s, its new name.", model_id, name)
            return name
    return model_id


def model_for(model_id: str) -> GeminiModel:
    """The row of a current id; an id that is not listed may do everything."""
    table = _table()
    return table.models.get(model_id, table.unknown)


def card_for(model_id: str) -> ModelCard:
    """What the model of this id, or of the id it was renamed to, can do and charges."""
    name = current_id(model_id)
    model = model_for(name)
    return ModelCard(
        id=name,
        aspect_ratios=model.aspect_ratios,
        image_tokens=model.image_tokens,
        prices=model.prices,
        max_input_images=model.max_input_images,
        grounding=model.grounding,
        retired=model.retired,
        successor=model.successor,
    )
