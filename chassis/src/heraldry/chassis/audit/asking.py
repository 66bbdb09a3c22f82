"""What travels between a relay and the signer: who is where, and what is to be signed next."""

from __future__ import annotations

from typing import Final

from heraldry.chassis.bus.rights import BEGIN, SIGN
from heraldry.contracts.checkpoints import Checkpoint, Statement
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import BaseModel, ConfigDict, ValidationError

PATIENCE: Final = 5.0  # seconds


class Ask(BaseModel):
    """`known` is the newest checkpoint that stands beside the log; without a wish the signer says its own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    known: Checkpoint | None = None
    wish: Statement | None = None


class Answer(BaseModel):
    """`newest` is the signer's newest checkpoint of this log; it is the one wished for if `refused` is empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    newest: Checkpoint | None = None
    refused: str = ""  # a stable code
    detail: str = ""


class SignerAwayError(Exception):
    """The signer does not answer, or not in a way that is understood."""


class SignerRefusedError(Exception):
    """The signer does not sign this: it does not continue what it has signed."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.refused}: {answer.detail}")
        self.code, self.newest = answer.refused, answer.newest


async def ask(
    nc: Client, context: str, known: Checkpoint | None, wish: Statement | None
) -> Checkpoint | None:
    """The signer's newest checkpoint, which is the one wished for. Raises SignerAwayError, SignerRefusedError."""
    return await _ask(nc, f"{SIGN}.{context}", Ask(known=known, wish=wish))


async def ask_to_begin(nc: Client, context: str, known: Checkpoint | None, wish: Statement) -> Checkpoint:
    """The first checkpoint of a new epoch. Raises SignerAwayError, SignerRefusedError."""
    begun = await _ask(nc, f"{BEGIN}.{context}", Ask(known=known, wish=wish))
    if begun is None:
        raise SignerAwayError("the signer answered without a checkpoint")
    return begun


async def _ask(nc: Client, subject: str, asked: Ask) -> Checkpoint | None:
    try:
        message = await nc.request(subject, asked.model_dump_json().encode(), timeout=PATIENCE)
        answer = Answer.model_validate_json(message.data)
    except (NatsError, TimeoutError, ValidationError) as error:
        raise SignerAwayError(f"the signer does not answer ({type(error).__name__})") from error
    if answer.refused:
        raise SignerRefusedError(answer)
    return answer.newest
