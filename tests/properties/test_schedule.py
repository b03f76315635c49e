"""Schedules as AWS writes them, beside an independent reading of cron."""

import datetime as dt
import itertools
import random
from zoneinfo import ZoneInfo

from cronsim import CronSim
from segmentation.language.schedule import Schedule

from tests.examples import examples


def test_cron_beside_another_reading() -> None:
    """Random expressions without what the two writings differ in: AWS's years, ? and days from 1."""
    rng = random.Random(4)
    zones = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"]

    def field(low: int, high: int) -> str:
        first = rng.randint(low, high)
        return rng.choice(
            ["*", str(first), f"{first}/{rng.randint(1, 9)}", f"{low}-{first}", f"{first},{high}"]
        )

    for _ in range(examples(150)):
        minute, hour, day, month = field(0, 59), field(0, 23), field(1, 28), field(1, 12)
        zone = rng.choice(zones)
        begin = dt.datetime(
            2023, rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), tzinfo=ZoneInfo(zone)
        )
        theirs = [
            int(one.timestamp())
            for one in itertools.islice(CronSim(f"{minute} {hour} {day} {month} *", begin), 20)
        ]
        schedule = Schedule(f"cron({minute} {hour} {day} {month} ? *)", zone)
        ours, after = [], int(begin.timestamp())
        for _ in range(20):
            found = schedule.next(after)
            assert found is not None
            ours.append(found)
            after = found
        assert set(_steady(ours, zone)) == set(_steady(theirs, zone)), (schedule, begin)


def _steady(moments: list[int], zone: str) -> list[int]:
    """Without days on which clocks change, where cron programs differ, and without a cut-off end."""
    tz = ZoneInfo(zone)

    def steady(moment: int) -> bool:
        offsets = {
            dt.datetime.fromtimestamp(moment + hours * 3_600, tz).utcoffset() for hours in (-27, 0, 27)
        }
        return len(offsets) == 1

    return [one for one in moments if steady(one)][:10]
