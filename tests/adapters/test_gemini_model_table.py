"""The table of models."""

import pytest

from nano_banana_lab.adapters.gemini.image_model import GeminiImageModel
from nano_banana_lab.adapters.gemini.model_table import read_models
from nano_banana_lab.core.generation.generated_image import Usage
from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.testing.gemini.models import MODELS, RETIRED


def test_the_preview_id_means_its_successor_and_says_so(caplog):
    current = read_models().current_id("gemini-3-pro-image-preview")

    assert current == "gemini-3-pro-image"
    assert "gemini-3-pro-image-preview was shut down" in caplog.text


async def test_a_model_configured_by_its_old_id_asks_for_the_new_one(caplog):
    model = GeminiImageModel(api_key=ApiKey("k"), model_id="gemini-3-pro-image-preview")
    await model.aclose()

    assert model.card.id == "gemini-3-pro-image"
    assert caplog.text.count("was shut down") == 1


def test_an_unknown_id_may_do_everything():
    card = read_models().card("gemini-4-image")

    card.check(ImageSettings(aspect_ratio="8:1", resolution=Resolution.FOUR_K))
    assert card.id == "gemini-4-image"
    assert card.prices.image_output > 0


def test_a_small_model_offers_only_small_pictures():
    with pytest.raises(ValidationFailed):
        read_models().card("gemini-3.1-flash-lite-image").check(ImageSettings(resolution=Resolution.TWO_K))


@pytest.mark.parametrize(("tokens", "usd"), [(1120, 0.1344), (2000, 0.24)])
def test_a_pro_picture_costs_what_google_publishes(tokens, usd):
    assert usd == read_models().card("gemini-3-pro-image").cost_usd(Usage(output_tokens=tokens, image_tokens=tokens))


@pytest.mark.parametrize("model_id", sorted(RETIRED & {"gemini-3.1-flash-image", "gemini-2.5-flash-image"}))
def test_a_retired_model_names_a_successor_that_is_served(model_id):
    card = read_models().card(model_id)

    assert card.retired
    assert card.successor in MODELS


@pytest.mark.parametrize("model_id", [name for name, served in MODELS.items() if served.sizes])
def test_the_table_agrees_with_what_the_double_serves(model_id):
    card, served = read_models().card(model_id), MODELS[model_id]

    assert sorted(served.ratios) == sorted(card.aspect_ratios)
    assert list(served.sizes) == list(card.image_tokens)
    assert (served.search, False) == (card.grounding, card.retired)


def test_an_id_that_was_never_renamed_stays_itself():
    assert read_models().current_id("gemini-3-pro-image") == "gemini-3-pro-image"
    assert read_models().model("gemini-3-pro-image").thinking


def test_a_file_of_the_operators_changes_single_facts_and_adds_models(tmp_path):
    changes = tmp_path / "models.toml"
    changes.write_text(
        "[models.gemini-3-pro-image.prices]\nimage_output = 60.0\n"
        '[models.gemini-5-image]\naspect_ratios = ["1:1"]\nimage_tokens = { 1K = 1000 }\nprices = { input = 1.0 }\n'
    )
    model = GeminiImageModel(api_key=None, model_id="gemini-3-pro-image", models_file=changes)

    assert (model.card.prices.image_output, model.card.prices.input) == (60.0, 2.0)
    assert read_models(changes).card("gemini-5-image").aspect_ratios == ("1:1",)


def test_a_file_of_another_form_is_refused(tmp_path):
    changes = tmp_path / "models.toml"
    changes.write_text("[models.gemini-3-pro-image]\nprice_of_fame = 1\n")

    with pytest.raises(ValueError, match="price_of_fame"):
        read_models(changes)
