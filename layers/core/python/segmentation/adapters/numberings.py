"""The numberings of rule sets, as they were put beside their programs."""

from collections import OrderedDict

from segmentation.domain.errors import CorruptObject
from segmentation.domain.stored_membership import numbering_path
from segmentation.language.index import Numbering
from segmentation.ports import Lake

MOST = 16
"""Numberings that are remembered: of ten thousand segments each takes a megabyte."""


class LakeNumberings:
    """Reads numberings of the lake; each never changes, so it is read once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._known: OrderedDict[tuple[str, str], Numbering] = OrderedDict()

    def __call__(self, audience: str, identifier: str) -> Numbering | None:
        """The numbering of an id, or nothing. Raises `Unavailable`, and `CorruptObject` for one that is damaged."""
        found = self._known.get((audience, identifier))
        if found is None:
            path = numbering_path(audience, identifier)
            stored = self._lake.get(path)
            if stored is None:
                return None
            try:
                found = Numbering.load(stored.data)
            except ValueError as error:
                raise CorruptObject(path, str(error)) from error
            self._known[audience, identifier] = found
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return found
