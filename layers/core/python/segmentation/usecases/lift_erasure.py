"""Lift what an erasure leaves behind: from now on builds and runs take the person in again.

For a request that was made by mistake, or of somebody who comes back. What was erased stays erased, and so do events from
before the erasure that come late; a request that is still being carried out ends here.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from segmentation.domain.erasure import Erasure, excluded_path, key_hash, requests_folder
from segmentation.domain.errors import NotFound
from segmentation.domain.profile import profile_id
from segmentation.ports import Clock, Lake, Profiles, RuleSets

from .erasure_requests import audience_of, keep

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
        found = [one for one in self._requests(audience) if key_hash(name) in one.hashes]
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

    def _requests(self, audience: str) -> Iterator[Erasure]:
        for path in self.lake.list(requests_folder(audience)):
            stored = self.lake.get(path)
            if stored is not None:
                request = Erasure.from_document(json.loads(stored.data))
                if request.lifted is None:
                    yield request
