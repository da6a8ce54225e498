"""The settings: what they are by default, how they are read, and how all that is wrong is named at once."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.main.read_settings import SettingsError, read_settings
from nano_banana_lab.main.settings import Environment, ImageModelChoice, LogLevel, Settings

PRODUCTION = {"ENVIRONMENT": "production", "SECRET_KEY": "r" * 32, "GOOGLE_API_KEY": "operators-key"}
GITHUB = {"AUTH_ENABLED": "true", "GITHUB_CLIENT_ID": "client", "GITHUB_CLIENT_SECRET": "github-secret"}
R2 = {"R2_ENABLED": "true", "R2_ACCOUNT_ID": "acc", "R2_ACCESS_KEY_ID": "id", "R2_SECRET_ACCESS_KEY": "r2-secret"}


def wrong(environ: dict[str, str]) -> list[str]:
    """The names of the settings that a refusal mentions."""
    with pytest.raises(SettingsError) as refused:
        read_settings(environ)
    return [line.partition(":")[0] for line in refused.value.wrong]


def test_without_any_setting_a_lab_runs_on_a_laptop() -> None:
    settings = read_settings({})

    assert (settings.environment, settings.host, settings.port) == (Environment.DEVELOPMENT, "0.0.0.0", 8000)
    assert (settings.redis_url, settings.r2_enabled, settings.data_dir.name) == (None, False, "data")
    assert (settings.image_model, settings.uses_sketch) == (ImageModelChoice.AUTO, True)
    assert (settings.image_model_id, settings.gemini_api_version) == ("gemini-3-pro-image", "v1beta")
    assert settings.retry_delays == (2, 4, 8)
    assert settings.generation_timeout_seconds == (180, 300, 600)
    assert settings.max_request_bytes == 99_000_000
    assert (settings.r2_bucket_name, settings.default_language) == ("nano-banana-images", "en")
    assert settings.allowed_origins == ("*",)


def test_an_empty_value_means_the_default() -> None:
    assert (
        read_settings(dict.fromkeys((field.name.upper() for field in msgspec.structs.fields(Settings)), " "))
        == Settings()
    )


def test_variables_that_are_no_settings_are_ignored() -> None:
    assert read_settings({"PATH": "/bin", "port": "1", "NANO": "x"}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PORT", "8080", 8080),
        ("DEBUG", "true", True),
        ("DEBUG", "0", False),
        ("LOG_LEVEL", "DEBUG", LogLevel.DEBUG),
        ("LOG_LEVEL", "debug", LogLevel.DEBUG),
        ("DATA_DIR", "/var/lib/lab", Path("/var/lib/lab")),
        ("RETRY_DELAYS", "1,2.5", (1, 2.5)),
        ("RETRY_DELAYS", "[]", ()),
        ("GENERATION_TIMEOUT_SECONDS", "60", (60,)),
        ("GENERATION_TIMEOUT_SECONDS", " 60, 120 ,240 ", (60, 120, 240)),
        ("CORS_ORIGINS", "https://a.test,https://b.test", ("https://a.test", "https://b.test")),
        ("CORS_ORIGINS", '["https://a.test", "https://b.test"]', ("https://a.test", "https://b.test")),
        ("CORS_ORIGINS", "https://a.test,", ("https://a.test",)),
        ("CORS_ORIGINS", "[]", ()),
        ("SHUTDOWN_GRACE_SECONDS", "0.5", 0.5),
        ("MAX_WAITING_GENERATIONS", "0", 0),
    ],
)
def test_a_value_is_read_as_what_it_is(name: str, text: str, value: Any) -> None:
    assert getattr(read_settings({name: f" {text}\t"}), name.lower()) == value


def test_secrets_stay_secret() -> None:
    settings = read_settings(PRODUCTION | R2 | GITHUB | {"REDIS_URL": "redis://user:redis-pass@host"})
    secrets = ("r" * 32, "operators-key", "r2-secret", "redis-pass", "github-secret")

    assert [text for text in secrets if text in repr(settings)] == []
    assert settings.google_api_key == Secret("operators-key")
    assert settings.redis_url == Secret("redis://user:redis-pass@host")


def test_every_wrong_setting_is_named_in_one_message() -> None:
    named = wrong(
        {
            "PORT": "99999",
            "DEBUG": "perhaps",
            "ENVIRONMENT": "staging",
            "LOG_LEVEL": "LOUD",
            "RETRY_DELAYS": "2,soon",
            "MAX_REQUEST_BYTES": "0",
            "MAX_CONCURRENT_GENERATIONS": "-1",
            "SHUTDOWN_GRACE_SECONDS": "-1",
            "CORS_ORIGINS": "[broken",
            "IMAGE_MODEL": "dalle",
            "R2_ENABLED": "true",
            "GENERATION_TIMEOUT_SECONDS": "1,2",
        }
    )

    assert set(named) == {
        "PORT", "DEBUG", "ENVIRONMENT", "LOG_LEVEL", "RETRY_DELAYS", "MAX_REQUEST_BYTES", "MAX_CONCURRENT_GENERATIONS",
        "SHUTDOWN_GRACE_SECONDS", "CORS_ORIGINS", "IMAGE_MODEL", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY",
        "R2_ACCOUNT_ID", "GENERATION_TIMEOUT_SECONDS",
    }  # fmt: skip
    assert len(named) == len(set(named))


def test_the_message_has_a_line_for_each() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"PORT": "x", "DEBUG": "y"})

    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("  - ")
    assert sorted(line.strip(" -").partition(":")[0] for line in lines[1:]) == ["DEBUG", "PORT"]


@pytest.mark.parametrize(
    "name",
    [
        field.name.upper()
        for field in msgspec.structs.fields(Settings)
        if field.type not in (str, Path, str | None, Path | None)
    ],
)
def test_a_wrong_value_is_never_repeated(name: str) -> None:
    """It may be a secret that slipped into the wrong line."""
    with pytest.raises(SettingsError) as refused:
        read_settings({"SECRET_KEY": "hunter2", "ENVIRONMENT": "production"} | {name: "AIza-slipped-here"})

    assert "AIza-slipped-here" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("name", ["SHUTDOWN_GRACE_SECONDS", "RETRY_DELAYS", "GENERATION_TIMEOUT_SECONDS"])
def test_a_time_is_a_finite_number(name: str, text: str) -> None:
    assert wrong({name: text}) == [name]


@pytest.mark.parametrize("times", ["1,2", "0", "0.5", "10,20,30,40", "[]"])
def test_timeouts_are_one_or_three_of_a_second_or_more(times: str) -> None:
    assert wrong({"GENERATION_TIMEOUT_SECONDS": times}) == ["GENERATION_TIMEOUT_SECONDS"]


def test_production_with_all_it_needs_starts() -> None:
    settings = read_settings(PRODUCTION)

    assert (settings.uses_sketch, settings.allowed_origins) == (False, ())


@pytest.mark.parametrize(
    "key",
    [
        "",
        "short",
        "x" * 31,
        "change-me-in-production-use-a-long-random-string",
        "'CHANGE-ME-in-production-use-a-long-random-string'",
    ],
)
def test_production_refuses_a_weak_secret_key(key: str) -> None:
    assert wrong(PRODUCTION | {"SECRET_KEY": key}) == ["SECRET_KEY"]


def test_a_laptop_may_have_a_weak_secret_key() -> None:
    assert read_settings({"SECRET_KEY": "short"}).secret_key == Secret("short")


@pytest.mark.parametrize("origins", ["*", "https://a.test,*", '["*"]'])
def test_production_refuses_every_origin(origins: str) -> None:
    assert wrong(PRODUCTION | {"CORS_ORIGINS": origins}) == ["CORS_ORIGINS"]


@pytest.mark.parametrize(
    "origin", ["https://*", "http*", "*.example.org", "https://a.test/", "https://a.test/page", "a.test", "null", "[]x"]
)
@pytest.mark.parametrize("environment", [{}, PRODUCTION])
def test_an_origin_is_what_a_browser_sends_and_no_pattern(environment: dict[str, str], origin: str) -> None:
    assert wrong(environment | {"CORS_ORIGINS": f"https://b.test,{origin}"}) == ["CORS_ORIGINS"]


@pytest.mark.parametrize(
    "origin", ["https://a.test", "http://localhost:5173", "http://[::1]:3000", "capacitor://localhost"]
)
def test_an_origin_may_be_a_page_or_an_app(origin: str) -> None:
    assert read_settings(PRODUCTION | {"CORS_ORIGINS": origin}).allowed_origins == (origin,)


@pytest.mark.parametrize("proxies", ["garbage", "10.0.0.1,proxy.internal", "10.0.0.0/33"])
def test_a_proxy_is_an_address_or_a_network(proxies: str) -> None:
    assert wrong({"FORWARDED_ALLOW_IPS": proxies}) == ["FORWARDED_ALLOW_IPS"]
    assert read_settings({"FORWARDED_ALLOW_IPS": "10.0.0.0/8,::1,*"}).forwarded_allow_ips == ("10.0.0.0/8", "::1", "*")


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATA_DIR", "IMAGE_MODEL_ID"])
def test_a_setting_that_is_no_text_is_refused(name: str) -> None:
    assert wrong({name: "\udcff" * 40}) == [name]


def test_production_serves_placeholders_only_on_purpose() -> None:
    without_key = {name: text for name, text in PRODUCTION.items() if name != "GOOGLE_API_KEY"}

    assert wrong(without_key) == ["GOOGLE_API_KEY"]
    assert read_settings(without_key | {"IMAGE_MODEL": "sketch"}).uses_sketch


def test_several_production_rules_are_named_at_once() -> None:
    assert wrong({"ENVIRONMENT": "production", "CORS_ORIGINS": "*"}) == ["SECRET_KEY", "CORS_ORIGINS", "GOOGLE_API_KEY"]


@pytest.mark.parametrize(
    ("model", "key", "sketch"),
    [("auto", "", True), ("auto", "k", False), ("gemini", "", False), ("gemini", "k", False), ("sketch", "k", True)],
)
def test_which_model_makes_the_pictures(model: str, key: str, *, sketch: bool) -> None:
    assert read_settings({"IMAGE_MODEL": model, "GOOGLE_API_KEY": key}).uses_sketch is sketch


def test_a_bucket_needs_its_keys() -> None:
    assert wrong({"R2_ENABLED": "true"}) == ["R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_ACCOUNT_ID"]
    assert read_settings(R2).r2_endpoint == "https://acc.r2.cloudflarestorage.com"


def test_a_bucket_elsewhere_needs_no_account() -> None:
    elsewhere = {name: text for name, text in R2.items() if name != "R2_ACCOUNT_ID"}

    assert read_settings(elsewhere | {"R2_ENDPOINT_URL": "http://minio:9000"}).r2_endpoint == "http://minio:9000"


def test_a_process_that_does_not_work_on_its_tasks_needs_a_redis_where_others_can() -> None:
    alone = {"WORKER_IN_PROCESS": "false"}
    with pytest.raises(SettingsError, match=r"WORKER_IN_PROCESS: .*REDIS_URL"):
        read_settings(alone)

    assert not read_settings(alone | {"REDIS_URL": "redis://host"}).worker_in_process


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without settings."""
    for field in msgspec.structs.fields(Settings):
        monkeypatch.delenv(field.name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_dotenv_file_is_read(folder: Path) -> None:
    (folder / ".env").write_text(
        '# mine\nPORT=8080\nCORS_ORIGINS=["https://a.test"]\nGOOGLE_API_KEY="quo ted"\nDEBUG=\n'
    )
    settings = read_settings()

    assert (settings.port, settings.allowed_origins, settings.debug) == (8080, ("https://a.test",), False)
    assert settings.google_api_key == Secret("quo ted")


def test_the_environment_overrides_the_dotenv_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("PORT=8080\nHOST=127.0.0.1\nGOOGLE_API_KEY=from-file\n")
    monkeypatch.setenv("PORT", "9090")
    monkeypatch.setenv("GOOGLE_API_KEY", "")
    settings = read_settings()

    assert (settings.port, settings.host, settings.google_api_key) == (9090, "127.0.0.1", None)


def test_without_a_dotenv_file_the_environment_is_enough(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9090")

    assert read_settings().port == 9090


def test_a_secret_in_the_dotenv_file_is_taken_as_it_stands(folder: Path) -> None:
    (folder / ".env").write_text("SECRET_KEY=a$b#c=d%20\\n'e\n")

    assert read_settings().secret_key == Secret("a$b#c=d%20\\n'e")


def test_every_setting_is_in_the_example_file_and_nothing_else() -> None:
    lines = (Path(__file__).parents[2] / ".env.example").read_text("utf-8").splitlines()
    named = {line.lstrip("# ").partition("=")[0] for line in lines if "=" in line.lstrip("# ").partition(" ")[0]}

    assert {field.name.upper() for field in msgspec.structs.fields(Settings)} - named == set()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost"),
        ("GOOGLE_GEMINI_BASE_URL", "generativelanguage.googleapis.com"),
        ("R2_ENDPOINT_URL", "s3://bucket"),
        ("R2_PUBLIC_URL", "pictures.example.org"),
    ],
)
def test_an_address_that_cannot_be_one_is_named_at_the_start(name: str, text: str) -> None:
    assert wrong({name: text}) == [name]
