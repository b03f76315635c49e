"""Lift what an erasure leaves behind: from now on builds and runs take the person in again.

For a request that was made by mistake, or of somebody who comes back. What was erased stays erased, and so do events from
before the erasure that come late; a request that is still being carried out ends here.
"""

import logging
from dataclasses import dataclass, replace

from segmentation.domain.erasure import Erasure, excluded_path, key_hash
from segmentation.domain.errors import NotFound
from segmentation.domain.profile import profile_id
from segmentation.ports import Clock, Lake, Profiles, RuleSets

from .erasure_requests import audience_of, keep, requests_of

logger = logging.getLogger("segmentation.lift_erasure")


@dataclass(frozen=True, slots=True)
class LiftErasure:
    """Lifts requests."""

    profiles: Profiles
    lake: Lake
    rule_sets: RuleSets
    clock: Clock

    def __call__(self, audience: str, column: str, value: str) -> list[Erasure]:
        """Lift all requests that were made of whoever has this key; the requests. `NotFound`: there are none.

        Of a request that is done the other keys are known as hashes alone: builds take them in again, too; of batch parts only
        that of the key which is named is let in before its 403 days are over.
        """
        published = audience_of(self.rule_sets, audience, column or None)
        column = column or published.audience.master_key
        name = published.audience.key_name(column, value)
        standing = (one for one in requests_of(self.lake, audience) if one.lifted is None)
        found = [one for one in standing if key_hash(name) in one.hashes]
        if not found:
            raise NotFound(f"no erasure of audience {audience!r} has this {column}, or it was lifted already")
        return [self._lift(one, name) for one in found]

    def _lift(self, request: Erasure, name: str) -> Erasure:
        """What is left out of builds first; cut off before the last step, the request is lifted once more."""
        now = self.clock.now()
        self.lake.delete([excluded_path(request)])
        self.profiles.unbar([profile_id(request.audience, one) for one in (*request.names, name)])
        lifted = replace(request.finished(request.done or now), lifted=now)
        keep(self.lake, lifted)
        logger.info("request %s is lifted", request.id)
        return lifted
