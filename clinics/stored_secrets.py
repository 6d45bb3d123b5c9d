"""Secrets that must be read again (seeds of second factors, keys of webhooks), stored encrypted.

A dump of the database alone gives none away: the key comes from SECRET_KEY.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac


class SecretUnreadable(Exception):
    """It was encrypted with a SECRET_KEY that is neither the present one nor among SECRET_KEY_FALLBACKS."""


def encrypted(text: str, *, salt: str) -> str:
    """`salt` names what it is for: what is stored for one purpose can't be passed off as another's."""
    return _cipher(salt).encrypt(text.encode()).decode()


def decrypted(text: str, *, salt: str) -> str:
    """Raises SecretUnreadable."""
    try:
        return _cipher(salt).decrypt(text.encode()).decode()
    except InvalidToken as problem:
        raise SecretUnreadable from problem


def _cipher(salt: str) -> MultiFernet:
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    keys = (salted_hmac(salt, "key", secret=secret, algorithm="sha256").digest() for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
