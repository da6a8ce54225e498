"""The image models Google offers, read from `models.toml`."""

import logging
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

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


class ModelTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every known model by its id, and what an id that is not listed is taken to be."""

    unknown: GeminiModel
    models: Mapping[str, GeminiModel]

    def current_id(self, model_id: str) -> str:
        """The id under which Google serves `model_id` today: itself, unless it was renamed (which is logged)."""
        for name, model in self.models.items():
            if model_id in model.aliases:
                _log.warning("The model id %s was shut down by Google; using %s, its new name.", model_id, name)
                return name
        return model_id

    def model(self, current_id: str) -> GeminiModel:
        """The row of a current id; an id that is not listed may do everything."""
        return self.models.get(current_id, self.unknown)

    def card(self, current_id: str) -> ModelCard:
        """What the model of this current id can do and charges."""
        model = self.model(current_id)
        return ModelCard(
            id=current_id,
            aspect_ratios=model.aspect_ratios,
            image_tokens=model.image_tokens,
            prices=model.prices,
            max_input_images=model.max_input_images,
            grounding=model.grounding,
            retired=model.retired,
            successor=model.successor,
        )


def read_models(changes: Path | None = None) -> ModelTable:
    """The table in `models.toml`, with the rows and fields that the file `changes` adds or replaces.

    Raises ValueError when that file does not have the form of `models.toml`.
    """
    table = msgspec.toml.decode(files(__package__).joinpath("models.toml").read_bytes())
    if changes is not None:
        _merge(table, msgspec.toml.decode(changes.read_bytes(), type=dict[str, Any]))
    return msgspec.convert(table, ModelTable)


def _merge(table: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(table.get(name), dict):
            _merge(table[name], value)
        else:
            table[name] = value
