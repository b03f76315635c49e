"""Secrets of keys and tokens that can be told again to the very request that made them, though nobody keeps them.

Whoever sends a request again with its idempotency key, because the answer was lost on the way, must get the same answer:
without the secret the new key is of no use to anybody. So a secret that is made under an idempotency key is not drawn but
computed, of three things of which no two tell anything: the stack's signing secret, which no document holds; a salt, which is
kept beside the idempotency key for a day; and the request itself (its caller, its key, what it asked for), of which only
hashes are kept. Record 0015 weighs it.
"""

import base64
import hashlib
import hmac

_PURPOSE = "repeatable secret"
"""No signature of a visitor's key begins so: an audience's id has no space in it."""


def repeatable(signing: bytes, salt: str, key: str, content: str) -> str:
    """A secret of 256 bits as URL-safe text; `key` and `content` are the hashes that the request is known by."""
    message = "\n".join((_PURPOSE, salt, key, content)).encode()
    return base64.urlsafe_b64encode(hmac.new(signing, message, hashlib.sha256).digest()).decode().rstrip("=")
