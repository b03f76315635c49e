"""Problems: pointers as RFC 6901 has them, and suggestions."""

from segmentation.language.problems import Problem, RuleError, did_you_mean, step


def test_pointers_escape_what_they_must() -> None:
    assert step("", "rule") == "/rule"
    assert step("/rule", 0) == "/rule/0"
    assert step("/rule", "/") == "/rule/~1"
    assert step("/rule", "~1") == "/rule/~01"
    assert step("/rule", "") == "/rule/"


def test_a_problem_below_a_document() -> None:
    problem = Problem("/rule/and", "empty-group", "add a condition")
    assert problem.below("/3").pointer == "/3/rule/and"
    assert str(problem) == "/rule/and: add a condition [empty-group]"
    assert str(Problem("", "bad-json", "not JSON")).startswith("(root)")


def test_an_error_says_all_problems() -> None:
    error = RuleError(Problem(f"/{i}", "x", f"number {i}") for i in range(3))
    assert len(error.problems) == 3
    assert str(error).splitlines() == [f"/{i}: number {i} [x]" for i in range(3)]


def test_suggestions() -> None:
    assert did_you_mean("agee", ["age", "country"]) == "; did you mean 'age'?"
    assert did_you_mean("zzz", ["b", "a"]) == "; known: a, b"
    assert did_you_mean("zzz", [f"n{i}" for i in range(20)]).endswith(", ...")
    assert did_you_mean("zzz", []) == ""
