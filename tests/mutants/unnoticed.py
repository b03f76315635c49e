"""Faults that change nothing that a rule says: module -> (line of code, fault) -> why."""

_ONE_TYPE = "both sides have one type by then"
_REPORTED = "a problem is reported by then, so nothing is made of the node"
_ONE_ORDER = "any order will do, as long as it is always the same"
_COUNTED = "counts stand where moments could, or the other way round: the same members"

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
    "sql_latest": {
        ("COUNT_BYTES = 9", "9 is 10"): _COUNTED,
        ("MOST_LATEST = 50", "50 is 51"): _COUNTED,
        (
            "NEVER = -1_000_000_000_000_000",
            "1000000000000000 is 1000000000000001",
        ): "before all moments as well",
        (
            'moments = "t" if selected == "true" else f"CASE WHEN {selected} THEN t END"',
            "SQL true is false in 'true'",
        ): "longer, and the same",
        (
            "count, constant = (left, right) if isinstance(left.value, Aggregate) else (right, left)",
            "condition turned round",
        ): _COUNTED,
        ("if not 0 <= number < MOST_LATEST:", "not is gone"): _COUNTED,
        ("if not 0 <= number < MOST_LATEST:", "condition turned round"): _COUNTED,
        ("if not 0 <= number < MOST_LATEST:", "comparison 1: LtE is Lt"): _COUNTED,
        ("if not 0 <= number < MOST_LATEST:", "comparison 2: Lt is LtE"): "one moment more",
        ("if not 0 <= number < MOST_LATEST:", "0 is 1"): _COUNTED,
        (
            "possible = says.high is None or (says.low or 0) < says.high",
            "comparison 1: Lt is LtE",
        ): "of a fraction both bounds are the same moment, which is never on both sides",
        ("possible = says.high is None or (says.low or 0) < says.high", "0 is 1"): _COUNTED,
        ("if isinstance(node.value, Aggregate):", "condition turned round"): _COUNTED,
        ("uses[node.value] += 1", "1 is 2"): _COUNTED,
        **{
            ("return COUNT_BYTES if most == 1 else 64 + 16 + 4 + 8 * (most + 1)", fault): _COUNTED
            for fault in (
                *("condition turned round", "comparison 1: Eq is NotEq", "Add is Sub", "Mult is Add"),
                *("64 is 65", "16 is 17", "4 is 5", "8 is 9", "1 is 2"),
            )
        },
        **{
            ("if latest_bytes(asked[-1]) < COUNT_BYTES * len(counts):", fault): _COUNTED
            for fault in ("condition turned round", "comparison 1: Lt is LtE", "Mult is Add")
        },
    },
}
