"""Who calls the management API, and what the caller may do.

API Gateway has verified the caller before the function runs: a JWT of the issuer (`authorizer.jwt`), or a signature of AWS's
own (`authorizer.iam`). A request without either is nobody's, whatever its headers say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from segmentation.domain.errors import Forbidden, Unauthorized


class Role(IntEnum):
    """What a caller may do; each role may do what the ones below it may.

    `viewer` reads rules, counts and states, but no person. `editor` writes segments, starts runs, and sees
    members. `admin` also writes audiences, destinations, keys and tokens.
    """

    VIEWER = 1
    EDITOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller; `id` is what versions are signed with."""

    id: str
    role: Role

    def may(self, needed: Role) -> None:
        """`Forbidden` unless the caller has at least this role."""
        if self.role < needed:
            mine, wanted = self.role.name.lower(), needed.name.lower()
            raise Forbidden(
                f"this needs the role {wanted!r}, you have {mine!r}; ask an admin of your identity provider"
            )


def caller_of(event: Mapping[str, Any], claim: str) -> Caller:
    """The caller of a proxy event; `claim` names the JWT's claim that holds roles.

    `Unauthorized` when nobody was verified, `Forbidden` when the token bears none of the roles.
    """
    authorizer = event["requestContext"].get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims")
    if claims:
        role = max((role for role in Role if role.name.lower() in _words(claims.get(claim))), default=None)
        name = str(claims.get("email") or claims.get("username") or claims.get("sub") or "")
        if not name:
            raise Unauthorized("the token names nobody: it has no 'sub'")
        if role is None:
            raise Forbidden(f"the token has none of the roles viewer, editor, admin in its claim {claim!r}")
        return Caller(name[:200], role)
    identity = (authorizer.get("iam") or {}).get("userArn")
    if identity:
        # What a machine may do, its IAM policy says, by method and path (execute-api:Invoke).
        return Caller(str(identity)[:200], Role.ADMIN)
    raise Unauthorized(
        "send a token of the identity provider as 'Authorization: Bearer <token>', or sign the request"
    )


def _words(value: object) -> set[str]:
    """The words of a claim: API Gateway hands lists over as text, `[viewer editor]`."""
    if isinstance(value, list):
        return {str(one) for one in value}
    return set(re.split(r"[\s,\[\]]+", str(value))) if isinstance(value, str) else set()
