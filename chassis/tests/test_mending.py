"""When NATS that refuses writes is started again: once there is room, and never in a loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from heraldry.chassis.supervisor.child import Child
from heraldry.chassis.supervisor.mending import LOOK, PAUSES, Mending
from heraldry.chassis.supervisor.output import LogFile
from heraldry.chassis.supervisor.process import Running

CLOSED = (
    b"[7] [ERR] JetStream stream 'HERALDRY > KEYS' critical write error: write 1.blk: no space left on device"
)


@dataclass
class House:
    nats: Child
    now: float = 1000.0
    room: bool = False
    said: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.mending = Mending(self.nats, lambda: self.room, self.said.append, lambda: self.now)
        self.starts()

    def starts(self) -> None:
        pid = self.nats.running.pid + 1 if self.nats.running else 7
        self.nats.running = Running(pid, -1, -1)

    def is_mended(self) -> bool:
        due = self.mending.is_due()
        if due:
            self.starts()
        return due


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Child("nats", lambda: 0, {}, LogFile(tmp_path / "nats.log", lambda _: None)))


def test_nats_is_started_again_once_its_disk_has_space(house: House) -> None:
    assert house.mending.patience is None
    house.mending.hear(CLOSED)
    house.mending.hear(CLOSED)
    assert len(house.said) == 1
    assert not house.is_mended()
    assert house.mending.patience == LOOK
    house.room = True
    assert house.is_mended()
    assert not house.is_mended()
    assert house.mending.patience is None
    assert all(line.endswith("[nats.refuses-writes]") for line in house.said)


def test_the_next_times_take_longer_and_longer(house: House) -> None:
    house.room = True
    for pause in (0.0, *PAUSES, PAUSES[-1]):
        house.mending.hear(CLOSED)
        house.now += pause - 0.1
        if pause:
            assert not house.is_mended()
        house.now += 0.2
        assert house.is_mended()


def test_what_else_it_says_and_a_start_by_itself_end_nothing(house: House) -> None:
    house.room = True
    house.mending.hear(b"[7] [ERR] Filestore [KEYS] could not be read")
    assert not house.is_mended()
    house.room = False
    house.mending.hear(CLOSED)
    house.starts()
    house.room = True
    assert not house.is_mended()
