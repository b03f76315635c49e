"""Faults that change nothing that a rule says: module -> (line of code, fault) -> why."""

_ONE_TYPE = "both sides have one type by then"
_REPORTED = "a problem is reported by then, so nothing is made of the node"
_ONE_ORDER = "any order will do, as long as it is always the same"

UNNOTICED: dict[str, dict[tuple[str, str], str]] = {
    "operators/compare": {
        (
            'text = self.name != "eq" and node.args[0].type in (Type.STRING, Type.DATE)',
            "0 is 1",
        ): _ONE_TYPE,
        ("if None in [item if item is None else 0 for item in operands]:", "0 is 1"): "either is not None",
        ("if isinstance(pair[0].type, Type) and pair[0].type.is_array:", "0 is 1"): _ONE_TYPE,
        ("type_ = values[0].type", "0 is 1"): _ONE_TYPE,
    },
    "operators/time": {("if moment is None or window is None:", "Or is And"): _REPORTED},
    "operators/text": {
        ("return Node(name, CONDITION, (whole, part)) if whole and part else None", "And is Or"): _REPORTED,
    },
    "operators/arithmetic": {
        ("compound = True", "True is False"): "sentences only",
        (
            '_ARITY = {"+": (2, 10_000), "*": (2, 10_000), "-": (1, 2), "/": (2, 2), "%": (2, 2)}',
            "10000 is 10001",
        ): "longer chains are too deep anyway",
    },
    "evaluate": {
        (
            'return any(inner.op == "in_window" for inner in node.walk())',
            "comparison 1: Eq is NotEq",
        ): "every condition is asked anew at each evaluation: slower, and the same",
    },
    "times": {
        ("if seconds % UNIT_SECONDS[unit] == 0:", "0 is 1"): "how durations are shown",
        ("shortest: int = 0", "0 is 1"): "always given where it counts",
        (
            'days = {"day": 2, "week": 14, "month": 62, "quarter": 184, "year": 732}',
            "2 is 3",
        ): "a bound from above: events are kept a little longer",
        (
            'days = {"day": 2, "week": 14, "month": 62, "quarter": 184, "year": 732}',
            "184 is 185",
        ): "a bound from above: events are kept a little longer",
    },
    "normal": {
        (
            'if node.op in _SYMMETRIC and (args[0].op == "constant", canonical(args[0])) > (',
            "comparison 1: Eq is NotEq",
        ): _ONE_ORDER,
        ('args[1].op == "constant",', "comparison 1: Eq is NotEq"): _ONE_ORDER,
        (
            'return json.dumps(_plain(node), separators=(",", ":"), ensure_ascii=False)',
            "False is True",
        ): "as unambiguous",
        (
            'return hashlib.sha256("\\x00".join(parts).encode()).hexdigest()[:12]',
            "12 is 13",
        ): "a longer name is as good",
    },
}
