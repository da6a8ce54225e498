"""What the trial pays for."""

from dishka import Provider, Scope, provide, provide_all

from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.reset_quota import ResetQuota
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.quota.usage import ReadUsage
from nano_banana_lab.main.quota_policy import quota_policy
from nano_banana_lab.main.settings import Settings


class Quota(Provider):
    """Points, and the rules by which they are spent."""

    scope = Scope.APP

    @provide
    def quota_policy(self, settings: Settings) -> QuotaPolicy:
        return quota_policy(settings)

    @provide
    def trial(self, ledger: Ledger) -> Trial:
        return Trial(ledger=ledger)

    use_cases = provide_all(ReadUsage, Ledger, ResetQuota)
