"""Google's errors, word for word (GEMINI.md section 4)."""

from dataclasses import dataclass
from typing import Any

_RPC = "type.googleapis.com/google.rpc."
_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, "
    "head to: https://ai.dev/rate-limit. "
)
_HELP = {"@type": f"{_RPC}Help", "links": [{"description": "Learn more about Gemini API quotas"}]}
_DEMAND = (
    "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later."
)
_INTERNAL = (
    "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)
_UNREGISTERED = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)
_SIGNATURE_HELP = (
    "Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures#model-behavior for more details."
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: the HTTP status, Google's word for it, the message and the typed details."""

    code: int
    status: str
    message: str
    details: tuple[Any, ...] = ()

    def body(self, key: str = "") -> dict[str, Any]:
        error = {"code": self.code, "message": self.message.replace("{key}", key), "status": self.status}
        return {"error": error | ({"details": list(self.details)} if self.details else {})}


def invalid(message: str = "Request contains an invalid argument.", reason: str | None = None) -> Refusal:
    """A 400."""
    details = ({"@type": f"{_RPC}ErrorInfo", "reason": reason, "domain": "googleapis.com"},) if reason else ()
    return Refusal(400, "INVALID_ARGUMENT", message, details)


def missing_signature(kind: str, content: int, part: int) -> Refusal:
    """A model's own part came back without its signature; positions count from 1."""
    where = f"content position {content}, part position {part}"
    return invalid(f"{kind} part is missing a thought_signature in {where}. {_SIGNATURE_HELP}")


def unknown_model(model: str, version: str) -> Refusal:
    return Refusal(
        404,
        "NOT_FOUND",
        f"models/{model} is not found for API version {version}, or is not supported for generateContent. "
        "Call ListModels to see the list of available models and their supported methods.",
    )


def _quota(message: str, quota: str, *further: Any) -> Refusal:
    violation = {"quotaMetric": "generativelanguage.googleapis.com/generate_requests", "quotaId": quota}
    failure = {"@type": f"{_RPC}QuotaFailure", "violations": [violation]}
    return Refusal(429, "RESOURCE_EXHAUSTED", message, (_HELP, failure, *further))


def _retry_info(delay: str) -> dict[str, str]:
    return {"@type": f"{_RPC}RetryInfo", "retryDelay": delay}


BAD_KEY = invalid("API key not valid. Please pass a valid API key.", "API_KEY_INVALID")
NO_KEY = Refusal(403, "PERMISSION_DENIED", _UNREGISTERED)
LEAKED_KEY = Refusal(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key.")
WRONG_SIGNATURE = invalid("Corrupted thought signature.")

BY_NAME = {
    "400": invalid(),
    "bad-key": BAD_KEY,
    "leaked-key": LEAKED_KEY,
    "suspended-key": Refusal(
        403, "PERMISSION_DENIED", "Permission denied: Consumer 'api_key:{key}' has been suspended."
    ),
    "location": Refusal(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    "input-image": invalid("Unable to process input image. Please retry or report."),
    "429": _quota(
        f"{_QUOTA}\nPlease retry in 13.24s.", "GenerateRequestsPerMinutePerProjectPerModel", _retry_info("13.24s")
    ),
    "429-bare": Refusal(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "429-daily": _quota(_QUOTA, "GenerateRequestsPerDayPerProjectPerModel", _retry_info("47s")),
    "429-spend": Refusal(
        429,
        "RESOURCE_EXHAUSTED",
        "Your project has exceeded its monthly spending cap. Please go to AI Studio at https://ai.studio/spend to "
        "manage your project spend cap.",
    ),
    "429-free": _quota(
        f"{_QUOTA}\n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, "
        "limit: 0, model: gemini-3-pro-image\nPlease retry in 47s.",
        "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        _retry_info("47s"),
    ),
    "500": Refusal(500, "INTERNAL", _INTERNAL),
    "503": Refusal(503, "UNAVAILABLE", _DEMAND),
    "504": Refusal(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
"""The refusals that a prompt can ask for by marker; `{key}` is the caller's key, which Google does repeat."""
