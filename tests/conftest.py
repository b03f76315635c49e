"""How random tests run: an ordinary run draws the same examples each time; with TIMES it draws new ones, many more."""

from hypothesis import HealthCheck, settings

from tests.examples import TIMES

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
