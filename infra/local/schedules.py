"""Schedules: rate(), cron() and at(), on a clock that tests can turn."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from infra.local.clock import Clock
from infra.local.errors import TemplateError
from infra.local.functions import Functions
from infra.local.log import Log
from infra.local.provision.world import Mapped, World
from infra.local.sources import Look, Source

_UNITS = {"minute": 60, "minutes": 60, "hour": 3600, "hours": 3600, "day": 86400, "days": 86400}
_SCHEDULE = {"ScheduleExpression", "ScheduleExpressionTimezone", "State", "Target", "StartDate", "EndDate"}
_RULE = {"ScheduleExpression", "State", "Targets"}
_TARGET = {"Arn", "Id", "RoleArn", "Input", "RetryPolicy", "DeadLetterConfig"}


def occurrences(expression: str, zone: str, start: datetime) -> Iterator[datetime]:
    """The instants after `start` at which a schedule expression fires."""
    try:
        tz = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise TemplateError(f"{zone!r} is not a time zone") from None
    if found := re.fullmatch(r"rate\((\d+) (\w+)\)", expression):
        if found[2] not in _UNITS or int(found[1]) < 1:
            raise TemplateError(f"{expression!r}: a rate is like rate(5 minutes)")
        step = timedelta(seconds=int(found[1]) * _UNITS[found[2]])
        return _every(start, step)
    if found := re.fullmatch(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", expression):
        moment = datetime.fromisoformat(found[1]).replace(tzinfo=tz).astimezone(UTC)
        return iter([moment] if moment > start else [])
    if found := re.fullmatch(r"cron\((.+)\)", expression):
        return _cron(found[1].split(), tz, start, expression)
    raise TemplateError(
        f"{expression!r} is not a schedule: it is like rate(1 hour), cron(0 2 * * ? *) or at(...)"
    )


def _every(start: datetime, step: timedelta) -> Iterator[datetime]:
    while True:
        start += step
        yield start


def _cron(fields: list[str], tz: ZoneInfo, start: datetime, expression: str) -> Iterator[datetime]:
    if len(fields) != 6:
        raise TemplateError(
            f"{expression!r}: AWS wants six fields: minutes hours day-of-month month day-of-week year"
        )
    minute, hour, day, month, weekday, year = fields
    if "?" not in (day, weekday):
        raise TemplateError(f"{expression!r}: AWS wants ? as day-of-month or as day-of-week")
    # AWS counts the days of the week from 1 = Sunday, cron from 0; a number after # or / is no day
    weekday = re.sub(r"(?<![#/\d])\d+", lambda found: str(int(found[0]) - 1), weekday)
    classic = [minute, hour, day.replace("?", "*"), month, weekday.replace("?", "*")]
    years = _years(year, expression)
    try:
        simulator = CronSim(" ".join(classic), start.astimezone(tz))
    except CronSimError as error:
        raise TemplateError(f"{expression!r}: {error}") from error
    return _within(simulator, years)


def _within(moments: Iterator[datetime], years: set[int] | None) -> Iterator[datetime]:
    for moment in moments:
        if years is None or moment.year in years:
            yield moment.astimezone(UTC)
        elif moment.year > max(years):
            return


def _years(field: str, expression: str) -> set[int] | None:
    if field == "*":
        return None
    years: set[int] = set()
    for part in field.split(","):
        found = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", part)
        if not found:
            raise TemplateError(f"{expression!r}: {part!r} is not a year or a range of years")
        years.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    return years


class Schedule(Source):
    """One schedule (or rule) and one target; fires once for every instant that the clock has passed."""

    def __init__(
        self,
        name: str,
        arn: str,
        expression: str,
        zone: str,
        target: dict[str, Any],
        kind: str,
        world: World,
        functions: Functions,
        log: Log,
        clock: Clock,
        end: datetime | None = None,
        start: datetime | None = None,
    ) -> None:
        super().__init__(name, log)
        if unknown := sorted(target.keys() - _TARGET):
            raise TemplateError(
                f"{name}: the embedded cloud does not know {', '.join(unknown)} of a schedule's target"
            )
        functions.find(target["Arn"])
        self._arn = arn
        self._target = target
        self._kind = kind
        self._world = world
        self._functions = functions
        self._clock = clock
        self._end = end
        now = clock()
        self._moments = occurrences(expression, zone, max(now, start) if start else now)
        self.next: datetime | None = next(self._moments, None)

    def look(self) -> Look:
        """Fire if it is time."""
        if self.next is None or self.next > self._clock() or (self._end and self.next > self._end):
            return Look.NOTHING
        moment, self.next = self.next, next(self._moments, None)
        self._fire(moment)
        return Look.BACKLOG

    def _fire(self, moment: datetime) -> None:
        text = moment.isoformat().replace("+00:00", "Z")
        execution = str(uuid.uuid4())
        event = self._target.get("Input")
        if event is None:
            detail: Any = "{}" if self._kind == "aws.scheduler" else {}
            event = json.dumps(
                {
                    "version": "0",
                    "id": execution,
                    "detail-type": "Scheduled Event",
                    "source": self._kind,
                    "account": self._world.account,
                    "time": text,
                    "region": self._world.region,
                    "resources": [self._arn],
                    "detail": detail,
                }
            )
        for name, value in {
            "scheduled-time": text,
            "execution-id": execution,
            "attempt-number": "1",
            "schedule-arn": self._arn,
        }.items():
            event = event.replace(f"<aws.scheduler.{name}>", value)
        self.log(self.name, f"fires for {text}")
        self._functions.invoke_later(self._target["Arn"], event.encode())


def schedules(world: World, functions: Functions, log: Log, clock: Clock) -> list[Source]:
    """Every enabled schedule and rule of the template."""
    found: list[Source] = []
    for mapped in world.schedules:
        properties = dict(mapped.properties)
        _refuse(mapped, properties.keys() - _SCHEDULE)
        if properties.get("State", "ENABLED") == "ENABLED":
            found.append(
                Schedule(
                    mapped.logical_id,
                    mapped.arn,
                    properties["ScheduleExpression"],
                    properties.get("ScheduleExpressionTimezone") or "UTC",
                    dict(properties["Target"]),
                    "aws.scheduler",
                    world,
                    functions,
                    log,
                    clock,
                    _moment(properties.get("EndDate")),
                    _moment(properties.get("StartDate")),
                )
            )
    for mapped in world.rules:
        if "EventPattern" in mapped.properties:  # infra/local/events.py
            continue
        _refuse(mapped, mapped.properties.keys() - _RULE)
        if mapped.properties.get("State", "ENABLED") != "ENABLED":
            continue
        for target in mapped.properties["Targets"]:
            found.append(
                Schedule(
                    mapped.logical_id,
                    mapped.arn,
                    mapped.properties["ScheduleExpression"],
                    "UTC",
                    dict(target),
                    "aws.events",
                    world,
                    functions,
                    log,
                    clock,
                )
            )
    return found


def _refuse(mapped: Mapped, unknown: set[str]) -> None:
    if unknown:
        raise TemplateError(
            f"{mapped.logical_id}: the embedded cloud does not know {', '.join(sorted(unknown))} of a schedule"
        )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC) if text else None
