"""What every `KeySealer` promises, and the sealer that keeps it.

A binding gives the suite a `sealer`, and the hook `elsewhere`: the sealer of another process, with the same secret or its own.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nano_banana_lab.adapters.cryptography.key_sealer import AesKeySealer
from nano_banana_lab.core.identity.ports import KeySealer, SealBroken
from nano_banana_lab.core.shared.secrets import ApiKey, Secret

KEY = ApiKey("AIza-not-a-real-key-0123456789")
TASK = "task-1"


class KeySealerContract:
    """The promises. A subclass provides the fixture `sealer` and the hook."""

    def elsewhere(self, *, secret: str | None = None) -> KeySealer:
        raise NotImplementedError

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(key=st.text(min_size=1, max_size=512).filter(lambda text: text.isprintable()), context=st.text(max_size=40))
    def test_what_was_sealed_is_unsealed(self, sealer, key, context):
        sealed = sealer.seal(ApiKey(key), context=context)

        assert sealer.unseal(sealed, context=context) == ApiKey(key)

    def test_every_process_with_the_secret_reads_the_same(self, sealer):
        assert self.elsewhere().unseal(sealer.seal(KEY, context=TASK), context=TASK) == KEY

    def test_nothing_of_the_key_is_to_be_seen(self, sealer):
        sealed = sealer.seal(KEY, context=TASK)
        text = KEY.reveal().encode()

        assert not any(text[at : at + 4] in sealed for at in range(len(text) - 3))

    def test_the_same_key_never_looks_the_same(self, sealer):
        assert len({sealer.seal(KEY, context=TASK) for _ in range(200)}) == 200

    def test_it_opens_for_what_it_was_sealed_for_only(self, sealer):
        with pytest.raises(SealBroken):
            sealer.unseal(sealer.seal(KEY, context=TASK), context="task-2")

    def test_another_secret_opens_nothing(self, sealer):
        with pytest.raises(SealBroken):
            self.elsewhere(secret="another " * 8).unseal(sealer.seal(KEY, context=TASK), context=TASK)

    def test_a_seal_that_was_touched_is_broken(self, sealer):
        sealed = sealer.seal(KEY, context=TASK)
        touched = [bytes(byte ^ (at == place) for at, byte in enumerate(sealed)) for place in range(len(sealed))]
        for seal in (
            *touched,
            sealed[:-1],
            sealed + b"\x00",
            sealed[1:],
            b"",
            b"\x01",
            b"\x01" * 28,
            KEY.reveal().encode(),
        ):
            with pytest.raises(SealBroken) as caught:
                sealer.unseal(seal, context=TASK)
            assert KEY.reveal() not in str(caught.value)


class TestAesKeySealer(KeySealerContract):
    """`adapters/cryptography/key_sealer.py`."""

    SECRET = "a secret of the lab, long enough to be one"

    def elsewhere(self, *, secret: str | None = None) -> KeySealer:
        return AesKeySealer(Secret(secret or self.SECRET))

    @pytest.fixture
    def sealer(self) -> KeySealer:
        return self.elsewhere()
