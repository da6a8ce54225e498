"""What a call to a model that failed has cost whoever pays for it."""

from nano_banana_lab.core.generation.ports import (
    GenerationError,
    InvalidApiKey,
    ModelRetired,
    NoApiKey,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
)

NEVER_CHARGED = (NoApiKey, InvalidApiKey, ModelRetired, UpstreamRateLimited, UpstreamRejected)
"""The call was not made, or refused before the model went to work."""


def may_be_charged(error: GenerationError) -> bool:
    """Whether the provider may charge for a call that ended so.

    It does for every answer, blocked and unusable ones among them (GEMINI.md section 4), and nobody knows of one that
    was cut off. It does not for a refusal, an error status, or a service that could not be reached.
    """
    if isinstance(error, UpstreamFailed):
        return "upstream_status" not in error.details and error.details.get("reason") != "unreachable"
    return not isinstance(error, NEVER_CHARGED)
