"""What all tests run under.

Random tests: an ordinary run draws the same examples each time; with TIMES it draws new ones, many more.
"""

import os

from hypothesis import HealthCheck, settings

from tests.examples import TIMES

# As the template has it. Powertools reads it once a process, for whichever test comes first.
os.environ |= {"POWERTOOLS_SERVICE_NAME": "segmentation", "POWERTOOLS_METRICS_NAMESPACE": "Segmentation"}

settings.register_profile(
    "ours",
    deadline=None,
    database=None,
    print_blob=False,
    derandomize=TIMES == 1,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.load_profile("ours")
