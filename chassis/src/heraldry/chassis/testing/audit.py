"""A signed log without processes: the signer in hand, and a relay that has published all there is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from heraldry.chassis.audit.asking import Answer, Ask
from heraldry.chassis.audit.checkpointing import Checkpointing
from heraldry.chassis.audit.signer import folder_of
from heraldry.chassis.audit.signing import Signing
from heraldry.chassis.audit.trail import Trail
from heraldry.chassis.bus.markers import Tip
from heraldry.chassis.bus.rights import BEGIN
from heraldry.chassis.store.port import EventStore
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.bus import eventually
from heraldry.contracts.checkpoints import Checkpoint
from nacl.signing import SigningKey
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

KEY = SigningKey(bytes(range(32)))


class SignerInHand(Client):
    """A connection behind which there is only the signer. `away`: nobody answers. `deaf`: it works, its answer is
    lost.
    """

    def __init__(self, folder: Path, key: SigningKey = KEY) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self.signing = Signing(key, folder)
        self.away = self.deaf = False

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109, ARG002  as nats-py has it
        old_style: bool = False,  # noqa: FBT001, FBT002, ARG002  as nats-py has it
        headers: dict[str, str] | None = None,
    ) -> Msg:
        await asyncio.sleep(0)
        if self.away:
            raise NoRespondersError
        context = subject.rpartition(".")[2]
        asked = Ask.model_validate_json(payload)
        answer: Answer = self.signing.answer(context, asked, begin=subject.startswith(f"{BEGIN}."))
        if self.deaf and asked.wish is not None:
            raise TimeoutError
        return Msg(_client=self, data=answer.model_dump_json().encode(), headers=headers)


class AllPublished:
    """A relay that has published all the store holds, in batches of `batch` events."""

    def __init__(self, batch: int = 200) -> None:
        self.tips: Sequence[Tip] = (Tip(),)
        self.told: list[Checkpoint] = []
        self._batch = batch

    def tell(self, checkpoint: Checkpoint) -> None:
        self.told.append(checkpoint)

    async def publish(self, store: EventStore) -> None:
        """What is new in the store."""
        tips = list(self.tips)
        while events := await store.read_all(after=tips[-1].position, limit=self._batch):
            tips.append(tips[-1].past(events))
        self.tips = tips[-64:]


def stopped(data: Path) -> Path:
    """Make of a folder that of an installation which does not run, without logs; gives its signer's folder."""
    (data / "store").mkdir()
    (data / "MODE").write_text("demo\n", encoding="ascii")
    folder = folder_of(data)
    folder.mkdir(parents=True)
    return folder


async def sign(
    store: EventStore,
    data: Path,
    context: str,
    signer: SignerInHand,
    relay: AllPublished | None = None,
    *,
    deadline: float = 20.0,
) -> Checkpoint:
    """Have all the store holds signed, and kept beside it; gives the newest checkpoint."""
    relay = relay or AllPublished()
    await relay.publish(store)
    trail = Trail.beside(data, context)
    checkpointing = Checkpointing(signer, context, store, relay, trail, every=0, look=0.001)
    running = asyncio.create_task(checkpointing.run())

    async def all_signed() -> bool:
        assert checkpointing.problem is None, checkpointing.problem
        newest = trail.newest()
        return newest is not None and newest.count == relay.tips[-1].count and newest in relay.told

    try:
        await eventually(all_signed, "a checkpoint of all there is", deadline)
    finally:
        await end(running)
    newest = trail.newest()
    assert newest is not None
    return newest
