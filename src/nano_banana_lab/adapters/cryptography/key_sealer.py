"""Keys at rest, sealed with AES-256 in Galois/Counter Mode (NIST SP 800-38D)."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from nano_banana_lab.core.identity.ports import SealBroken
from nano_banana_lab.core.shared.secrets import ApiKey, Secret

VERSION = b"\x01"
NONCE_BYTES = 12
PURPOSE = b"nano-banana-lab: keys of users at rest"


class AesKeySealer:
    """Seals with a key derived from the lab's secret (HKDF, RFC 5869), which is used for nothing else.

    A seal is a version byte, a random nonce, and the ciphertext with its tag; the context is authenticated, not stored.
    Another secret makes every seal unreadable.
    """

    def __init__(self, secret: Secret) -> None:
        derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.reveal().encode())
        self._cipher = AESGCM(derived)

    def seal(self, key: ApiKey, *, context: str) -> bytes:
        """As the port says; 29 bytes longer than the key."""
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, key.reveal().encode(), context.encode())

    def unseal(self, sealed: bytes, *, context: str) -> ApiKey:
        """As the port says."""
        if not sealed.startswith(VERSION):
            raise SealBroken
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return ApiKey(self._cipher.decrypt(nonce, ciphertext, context.encode()).decode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken from error
