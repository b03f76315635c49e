"""Standing: which literals hold of one profile, and which rules follow from them."""

from collections.abc import Mapping
from typing import Any

from .layers import Layer


class Layout:
    """The layers of an index; of the literals the moving ones lie below `width`."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.width: int = data["moving"]
        self.mask = (1 << self.width) - 1
        self.layers: list[Layer] = []
        offset = 0
        for layer in data["layers"]:
            self.layers.append(Layer(layer, offset))
            offset += layer["count"]


class Standing:
    """What holds of one profile. `result` is the bitmap of the rules that hold.

    The moving literals stand apart. Of the fixed ones that is kept what an event needs: what they decided in
    each layer.
    """

    __slots__ = ("_decided", "_fixed", "_layout", "_moving", "_results", "result")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._moving = 0
        self._fixed = 0
        self._decided = [layer.settle(0) for layer in layout.layers]
        self._results = [0] * len(layout.layers)
        self.result = 0

    def copy(self) -> "Standing":
        """The same, to be turned apart from this one."""
        copied = Standing.__new__(Standing)
        copied._layout = self._layout
        copied._moving, copied._fixed, copied._decided = self._moving, self._fixed, self._decided
        copied._results = self._results[:]
        copied.result = self.result
        return copied

    def turn(self, turned: int) -> None:
        """Turn the literals of a bitmap; the rules follow by `settle`."""
        if turned.bit_length() <= self._layout.width:
            self._moving ^= turned
            return
        self._moving ^= turned & self._layout.mask
        self._fixed ^= turned
        self._decided = [layer.settle(self._fixed) for layer in self._layout.layers]

    def settle(self, depth: int) -> int:
        """Bring the rules of a layer up to date, all those of earlier layers being so. Gives those of its rules
        that others refer to and that joined or left."""
        layer = self._layout.layers[depth]
        result = layer.result(self._moving, *self._decided[depth])
        flipped = result ^ self._results[depth]
        if not flipped:
            return 0
        self._results[depth] = result
        self.result ^= flipped << layer.offset
        return flipped & layer.watched

    def holds(self, depth: int, position: int) -> bool:
        """Whether a rule of a layer holds."""
        return bool(self._results[depth] >> position & 1)
