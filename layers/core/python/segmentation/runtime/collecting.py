"""When Python looks for garbage in cycles, in functions that hold much and make none."""

import gc


def collect_rarely() -> None:
    """Leave what exists now out of every collection, and look through all of it next to never.

    What is held of visitors is many small objects without cycles: reference counts free them. Looking through them
    again and again, as Python does by default, costs a third of an event's time (tests/bench/STREAM.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 1_000)
