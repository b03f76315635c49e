"""Signed keys: who may be looked up, or spoken for, by a key that others can guess.

A site that knows its visitor (it has checked the password) signs the visitor's key on its server and gives the
signature to the page:

    expires = now + 3600                                           Unix seconds
    message = "<audience>\\n<column>\\n<value>\\n<expires>"           the value as the page sends it, UTF-8
    signature = "<expires>." + hex(HMAC-SHA256(secret, message))

The page sends it beside the key, under the name `<column>.sig`.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

LONGEST_VALID = 31 * 86_400
"""Seconds into the future that a signature may reach: a page that leaks does not leak for ever."""
SUFFIX = ".sig"

_SIGNATURE = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})")


def sign(secret: bytes, audience: str, column: str, value: str, expires: int) -> str:
    """The signature of a key."""
    message = f"{audience}\n{column}\n{value}\n{expires}".encode("utf-8", "surrogatepass")
    return f"{expires}.{hmac.new(secret, message, hashlib.sha256).hexdigest()}"


def is_signed(
    secrets: Sequence[bytes], audience: str, column: str, value: str, said: Mapping[str, object], now: int
) -> bool:
    """Whether `said` (a query's keys, or a record) has a signature of the key that is valid at `now`.

    Several secrets are good at once while one replaces another. Takes the same time whichever it was.
    """
    found = _SIGNATURE.fullmatch(str(said.get(column + SUFFIX) or ""))
    if found is None:
        return False
    expires = int(found[1])
    good = False
    for secret in secrets:
        good |= hmac.compare_digest(sign(secret, audience, column, value, expires), found[0])
    return good and now < expires <= now + LONGEST_VALID
