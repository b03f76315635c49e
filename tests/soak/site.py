"""The sites: several browsers that send events until each is accepted, and keep what was."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from .rules import BEHAVIOR, HOUR, WINDOWS, WRITE_KEY

PEOPLE = 80
COOKIES = 2
"""Of each person, beside the customer number."""
BOT = "bot"
MOST_A_REQUEST = 9
PAUSE = 1.2
"""Seconds between two requests of a sender, at most: a steady stream, and not all that the machine can do."""
SPARE = 1_800
"""Seconds after the stream within which the checks are over: no window's border is crossed by an old event till then."""

Record = dict[str, Any]


@dataclass
class Site:
    """Sends random events of all people. `began`: Unix seconds; `seconds`: how long it goes on."""

    api: str
    began: int
    seconds: int
    seed: int
    accepted: dict[str, list[Record]] = field(default_factory=dict)
    """Records by person, each once."""
    refused: int = 0
    again: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self._number = 0
        self.failed: BaseException | None = None

    def run(self) -> None:
        """Send until the time is over."""
        chance = random.Random(self._random.random())
        try:
            while time.time() < self.began + self.seconds:
                self.send([self.record(chance) for _ in range(chance.randint(1, MOST_A_REQUEST))], chance)
                time.sleep(chance.random() * PAUSE)
        except BaseException as error:
            self.failed = error

    def record(self, chance: random.Random, person: str | None = None) -> Record:
        """A random event of somebody, under a random one of their keys, or under two of them."""
        with self._lock:
            self._number += 1
            basket = f"{self.seed}-{self._number}"
        who = person or (BOT if chance.random() < 0.2 else str(chance.randrange(PEOPLE)))
        keys = chance.choice([("person_id",), ("cookie",), ("person_id", "cookie")])
        record: Record = {
            "basket": basket,
            "time": self._time(chance),
            "item": chance.choice(["a", "b", "c"]),
            "amount": chance.choice([1, 2.5, 11]),
            "who": who,
        }
        if "person_id" in keys:
            record["person_id"] = who
        if "cookie" in keys:
            record["td_client_id"] = f"{who}-{chance.randrange(COOKIES)}"
        return record

    def _time(self, chance: random.Random) -> int:
        """Now, or some time ago whose windows end neither now nor while it is checked."""
        if chance.random() < 0.3:
            return int(time.time())
        while True:
            age = chance.randrange(HOUR, 30 * HOUR)
            if not any(0 <= window - age + 60 <= self.seconds + SPARE + 60 for window in WINDOWS):
                return self.began - age

    def sign_in(self) -> None:
        """Each cookie is shown to be its person's, so that all events are a customer's in the end."""
        chance = random.Random(self._random.random())
        records = []
        for who in (BOT, *map(str, range(PEOPLE))):
            for cookie in range(COOKIES):
                record = self.record(chance, who)
                records.append(record | {"person_id": who, "td_client_id": f"{who}-{cookie}"})
        for start in range(0, len(records), 50):
            self.send(records[start : start + 50], chance)

    def send(self, records: list[Record], chance: random.Random) -> None:
        """Send until they are accepted, and sometimes once more: who does not see the answer does so."""
        sent = [{name: value for name, value in one.items() if name != "who"} for one in records]
        body = json.dumps({"events": sent}).encode()
        while not self._post(body):
            with self._lock:
                self.refused += 1
            time.sleep(0.1)
        with self._lock:
            for one in records:
                self.accepted.setdefault(one["who"], []).append(one)
        if chance.random() < 0.15:
            with self._lock:
                self.again += self._post(body)

    def _post(self, body: bytes) -> bool:
        headers = {
            "Content-Type": "application/vnd.treasuredata.v1+json",
            "Authorization": f"TD1 {WRITE_KEY}",
        }
        request = urllib.request.Request(f"{self.api}/soak/{BEHAVIOR}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return all(one["success"] for one in json.load(answer)["receipts"])
        except (urllib.error.URLError, OSError, ValueError):
            return False
