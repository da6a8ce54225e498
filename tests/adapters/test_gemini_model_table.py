"""The table of models."""

import pytest

from nano_banana_lab.adapters.gemini.image_model import GeminiImageModel
from nano_banana_lab.adapters.gemini.model_table import card_for, current_id, model_for
from nano_banana_lab.core.generation.generated_image import Usage
from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.testing.gemini.models import MODELS, RETIRED


def test_the_preview_id_means_its_successor_and_says_so(caplog):
    card = card_for("gemini-3-pro-image-preview")

    assert card.id == "gemini-3-pro-image"
    assert "gemini-3-pro-image-preview was shut down" in caplog.text


async def test_a_model_configured_by_its_old_id_asks_for_the_new_one(caplog):
    model = GeminiImageModel(api_key=ApiKey("k"), model_id="gemini-3-pro-image-preview")
    await model.aclose()

    assert model.card.id == "gemini-3-pro-image"
    assert caplog.text.count("was shut down") == 1


def test_an_unknown_id_may_do_everything():
    card = card_for("gemini-4-image")

    card.check(ImageSettings(aspect_ratio="8:1", resolution=Resolution.FOUR_K))
    assert card.id == "gemini-4-image"
    assert card.prices.image_output > 0


def test_a_small_model_offers_only_small_pictures():
    with pytest.raises(ValidationFailed):
        card_for("gemini-3.1-flash-lite-image").check(ImageSettings(resolution=Resolution.TWO_K))


@pytest.mark.parametrize(("tokens", "usd"), [(1120, 0.1344), (2000, 0.24)])
def test_a_pro_picture_costs_what_google_publishes(tokens, usd):
    assert usd == card_for("gemini-3-pro-image").cost_usd(Usage(output_tokens=tokens, image_tokens=tokens))


@pytest.mark.parametrize("model_id", sorted(RETIRED & {"gemini-3.1-flash-image", "gemini-2.5-flash-image"}))
def test_a_retired_model_names_a_successor_that_is_served(model_id):
    card = card_for(model_id)

    assert card.retired
    assert card.successor in MODELS


@pytest.mark.parametrize("model_id", [name for name, served in MODELS.items() if served.sizes])
def test_the_table_agrees_with_what_the_double_serves(model_id):
    card, served = card_for(model_id), MODELS[model_id]

    assert sorted(served.ratios) == sorted(card.aspect_ratios)
    assert list(served.sizes) == list(card.image_tokens)
    assert (served.search, False) == (card.grounding, card.retired)


def test_an_id_that_was_never_renamed_stays_itself():
    assert current_id("gemini-3-pro-image") == "gemini-3-pro-image"
    assert model_for("gemini-3-pro-image").thinking
