"""The trial: what is left of it, and whether it would pay."""

from typing import Annotated, Any

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from nano_banana_lab.core.generation.image_request import Resolution
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.quota.modes import quota_mode_named
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import refusal
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.quota.usage import ReadUsage, Usage
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.http import examples
from nano_banana_lab.http.errors import language_of
from nano_banana_lab.http.localised import in_language
from nano_banana_lab.http.messages import Language, sentence
from nano_banana_lab.http.openapi import OPEN, answer, problems
from nano_banana_lab.http.scopes import NEEDS_READ
from nano_banana_lab.http.timestamps import Timestamp, rfc3339

QUOTA_PROBLEMS = ("service_unavailable", "internal_error")


class UnknownMode(LabError):
    """Why the trial would not pay for a mode it has never heard of; told, never raised. Details: `choices`."""

    sentence = "There is no such mode; known are {choices}."


class ModeUsage(msgspec.Struct, kw_only=True):
    """One user's pictures of one mode today; `cost` is in points for each."""

    name: str
    used: int
    limit: int
    remaining: int
    cost: int


class PromptUsage(msgspec.Struct, kw_only=True):
    """One user's prompt-writing calls today; they cost no points. `remaining` is also bounded by what all users have left."""

    used: int
    limit: int
    remaining: int


class QuotaBody(msgspec.Struct, kw_only=True):
    """The trial today; `global_*` are points of all users together, with what is reserved for pictures being made.

    `is_trial_mode` is false when nothing is counted: the trial is off, or the request brings a key of its own.
    `cooldown_remaining` is in seconds.
    """

    is_trial_mode: bool
    date: str
    global_used: int
    global_limit: int
    global_remaining: int
    modes: dict[str, ModeUsage]
    prompts: PromptUsage
    cooldown_active: bool
    cooldown_remaining: int
    resets_at: Timestamp

    @classmethod
    def of(cls, usage: Usage, *, counted: bool) -> "QuotaBody":
        """The usage as clients see it."""
        policy = usage.policy
        return cls(
            is_trial_mode=counted,
            date=usage.date,
            global_used=usage.points,
            global_limit=policy.global_points,
            global_remaining=usage.points_left,
            modes={key: _mode_usage(usage, key) for key in policy.modes},
            prompts=PromptUsage(used=usage.prompt_calls, limit=policy.prompt_limit, remaining=usage.prompt_calls_left),
            cooldown_active=usage.cooldown_remaining > 0,
            cooldown_remaining=usage.cooldown_remaining,
            resets_at=rfc3339(usage.resets_at),
        )


class CheckBody(msgspec.Struct, kw_only=True):
    """What would be made."""

    mode: Annotated[
        str,
        msgspec.Meta(
            description="`basic`, `chat`, `batch`, `search`, `blend` or `style`, or a key of `modes` such as `basic_4k`.",
            examples=["basic"],
        ),
    ]
    resolution: Resolution = Resolution.ONE_K
    count: Annotated[int, msgspec.Meta(ge=1, le=10, description="How many pictures.")] = 1


class CheckResult(msgspec.Struct, kw_only=True):
    """`cost` and `remaining_after` are in points; `reason` is `OK` or a sentence."""

    can_generate: bool
    reason: str
    cost: int
    remaining_after: int


class ModePrice(msgspec.Struct, kw_only=True):
    """One line of the price list: points for a picture, pictures a user and day."""

    name: str
    cost: int
    limit: int


class QuotaConfig(msgspec.Struct, kw_only=True):
    """The trial's rules."""

    global_daily_quota: int
    cooldown_seconds: int
    modes: dict[str, ModePrice]


class QuotaController(Controller):
    """The trial, which lets users make some pictures a day at the operator's expense."""

    path = "/api/quota"
    tags = ("Quota",)

    @get(
        opt=NEEDS_READ,
        summary="What is left of today's trial",
        responses=answer(QuotaBody, "The trial today", examples.QUOTA) | problems(*QUOTA_PROBLEMS),
    )
    async def quota(
        self, caller: NamedDependency[Caller], read_usage: FromDishka[ReadUsage], trial: FromDishka[Trial]
    ) -> QuotaBody:
        """Points are counted from the moment a picture is asked for, and given back when none was made."""
        return QuotaBody.of(await read_usage(caller.owner), counted=trial.pays(own_key=caller.api_key is not None))

    @post(
        "/check",
        status_code=200,
        opt=NEEDS_READ,
        summary="Would the trial pay for this now?",
        responses=answer(CheckResult, "Whether it would", examples.QUOTA_CHECK)
        | problems("validation_error", "unsupported_media_type", "payload_too_large", *QUOTA_PROBLEMS),
    )
    async def check(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[CheckBody],
        caller: NamedDependency[Caller],
        read_usage: FromDishka[ReadUsage],
        trial: FromDishka[Trial],
    ) -> Response[CheckResult]:
        """Spends and reserves nothing. A request that is not counted always may."""
        language, usage = language_of(request), await read_usage(caller.owner)
        counted = trial.pays(own_key=caller.api_key is not None)
        return in_language(language, _checked(data, usage, language, counted=counted))

    @get(
        "/config",
        security=OPEN,
        summary="The trial's rules",
        responses=answer(QuotaConfig, "The rules", examples.QUOTA_CONFIG) | problems("internal_error"),
    )
    async def config(self, policy: FromDishka[QuotaPolicy]) -> QuotaConfig:
        """The same for everybody; needs no token."""
        return QuotaConfig(
            global_daily_quota=policy.global_points,
            cooldown_seconds=policy.cooldown_seconds,
            modes={
                key: ModePrice(name=mode.name, cost=mode.cost, limit=mode.limit) for key, mode in policy.modes.items()
            },
        )


def _checked(data: CheckBody, usage: Usage, language: Language, *, counted: bool) -> CheckResult:
    key, left = quota_mode_named(data.mode, data.resolution), usage.points_left
    if key is None:
        reason = sentence(UnknownMode(choices=", ".join(usage.policy.modes)), language)
        return CheckResult(can_generate=False, reason=reason, cost=0, remaining_after=left)
    if not counted:
        return CheckResult(can_generate=True, reason="OK", cost=0, remaining_after=left)
    cost = data.count * usage.policy.modes[key].cost
    if no := refusal(usage, key, data.count):
        return CheckResult(can_generate=False, reason=sentence(no, language), cost=cost, remaining_after=left)
    return CheckResult(can_generate=True, reason="OK", cost=cost, remaining_after=left - cost)


def _mode_usage(usage: Usage, key: str) -> ModeUsage:
    mode = usage.policy.modes[key]
    return ModeUsage(
        name=mode.name,
        used=usage.pictures.get(key, 0),
        limit=mode.limit,
        remaining=usage.pictures_left(key),
        cost=mode.cost,
    )
