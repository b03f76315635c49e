"""Every operation under generated requests, in order and out of order: no 5xx, every answer as documented."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.examples import examples
from tests.management.support import Office
from tests.management.wsgi import TOKEN, application

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "identity"}

schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", application(Office()), headers=HEADERS)


@schema.parametrize()
@settings(
    max_examples=examples(6),
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_documented(case: Any) -> None:
    # A rule's meaning (names, types, cursors that were given out) is more than a schema can say: 422 is an answer.
    case.call_and_validate(headers=HEADERS, excluded_checks=[positive_data_acceptance])


class Workflow(schema.as_state_machine()):  # type: ignore[misc]
    """Operations one after another, each made of what earlier ones answered: created, then read, changed, deleted."""

    def get_call_kwargs(self, case: Any) -> dict[str, Any]:
        return {"headers": HEADERS}

    def validate_response(self, response: Any, case: Any, **_: Any) -> None:
        case.validate_response(response, headers=HEADERS, excluded_checks=[positive_data_acceptance])


TestWorkflow = Workflow.TestCase
TestWorkflow.settings = settings(
    max_examples=examples(5),
    stateful_step_count=10,
    suppress_health_check=list(HealthCheck),
)
