"""Event subscribers of customers: who they are, what they may do, the consumer made for each.

A subscriber signs in with the user `sub_<id>` and its password. The server does not know it and asks the
gateway (auth callout), which answers with a signed JWT that grants exactly three subjects. So nats-py needs
no more than this:

    nc = await nats.connect(url, user=user, password=password, inbox_prefix=f"_INBOX_{user}")
    events = await nc.jetstream().pull_subscribe_bind(consumer=user, stream="HERALDRY")
    for message in await events.fetch(batch=50, timeout=30):
        ...
        await message.ack()

`pull_subscribe_bind` asks the server nothing; `pull_subscribe`, `consumer_info` and the like are refused,
which in nats-py means a time-out. `fetch` raises TimeoutError, nats-py's own or the plain one, when nothing
came.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import structlog
from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.rights import SubscriberRights
from heraldry.chassis.bus.server import SUBSCRIBERS, permissions
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

log = structlog.stdlib.get_logger(__name__)

Lookup = Callable[[str, str], Awaitable[SubscriberRights | None]]

ACK_WAIT = 60.0  # seconds until an event that was not acknowledged comes again
MAX_ACK_PENDING = 1000
AT_ONCE = 8  # sign-ins looked up at a time: each costs a password hash


class _Identified(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str


class _Options(BaseModel):
    model_config = ConfigDict(extra="ignore")

    user: str = ""
    password: SecretStr = Field(default=SecretStr(""), alias="pass")


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore")

    server_id: _Identified
    user_nkey: str
    connect_opts: _Options


class _RequestClaims(BaseModel):
    """What the server wants to know, as it stands in its JWT."""

    model_config = ConfigDict(extra="ignore")

    nats: _Request


async def answer_callouts(nc: Client, issuer_seed: str, lookup: Lookup) -> Subscription:
    """Answer the server's questions who a user is, until the subscription returned is closed.

    `lookup` gets user and password and says what this user may do; None refuses. If it raises, the sign-in is
    refused and the error logged, without the password. Several gateways share the work.
    """
    free = asyncio.Semaphore(AT_ONCE)
    running: set[asyncio.Task[None]] = set()

    async def answer(message: Msg) -> None:
        async with free:
            try:
                await message.respond(await _answer(message.data, issuer_seed, lookup))
            except (NatsError, ValidationError, ValueError) as error:
                log.warning("sign-in of a subscriber not answered", error=type(error).__name__)

    async def on_message(message: Msg) -> None:
        task = asyncio.create_task(answer(message))
        running.add(task)
        task.add_done_callback(running.discard)

    return await border.subscribe(nc, rights.CALLOUT, queue="gateway", cb=on_message)


async def make_consumer(js: JetStreamContext, subscriber_id: UUID, organization: UUID) -> SubscriberRights:
    """Make the subscriber's durable pull consumer, from the first event its organization has. Idempotent.

    It delivers the organization's published events and the relays' markers. Returns what the subscriber may
    do.
    """
    granted = SubscriberRights.of(str(subscriber_id))
    await border.add_consumer(
        js,
        rights.EVENTS,
        ConsumerConfig(
            name=granted.consumer,
            durable_name=granted.consumer,
            filter_subjects=[f"heraldry.events.{organization}.>", "heraldry.relay.>"],
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_ack_pending=MAX_ACK_PENDING,
        ),
    )
    return granted


async def delete_consumer(js: JetStreamContext, subscriber_id: UUID) -> None:
    """Revoke a subscriber: from now on it gets nothing, also on a connection that is open. Idempotent.

    Its rights name this one consumer, so what is left of them reaches nothing.
    """
    try:
        await js.delete_consumer(rights.EVENTS, rights.subscriber_name(str(subscriber_id)))
    except NotFoundError:
        return


async def _answer(request: bytes, issuer_seed: str, lookup: Lookup) -> bytes:
    asked = _RequestClaims.model_validate_json(_unpadded(request.split(b".")[1])).nats
    user = asked.connect_opts.user
    granted: SubscriberRights | None = None
    try:
        granted = await lookup(user, asked.connect_opts.password.get_secret_value())
    except Exception as error:  # noqa: BLE001  whatever it is, nobody signs in
        # without its traceback: the password is among the values in it
        log.error("subscriber not looked up", user=user, error=type(error).__name__)  # noqa: TRY400
    if granted is None:
        log.info("sign-in of a subscriber refused", user=user)
        found: dict[str, object] = {"error": "unknown user or wrong password"}
    else:
        found = {"jwt": user_jwt(issuer_seed, asked.user_nkey, user, granted.rights)}
    claims = {"type": "authorization_response", "version": 2, **found}
    return sign_jwt(issuer_seed, asked.user_nkey, user, asked.server_id.id, claims).encode()


def user_jwt(issuer_seed: str, user_nkey: str, name: str, granted: rights.Rights) -> str:
    """A JWT that makes its holder a user of the subscribers' account with exactly these rights."""
    allowed = permissions(granted)
    claims = {
        "type": "user",
        "version": 2,
        "pub": allowed["publish"],
        "sub": allowed["subscribe"],
        "subs": -1,
        "data": -1,
        "payload": -1,
    }
    return sign_jwt(issuer_seed, user_nkey, name, SUBSCRIBERS, claims)


def sign_jwt(issuer_seed: str, subject: str, name: str, audience: str, claims: Mapping[str, object]) -> str:
    """A JWT as NATS wants it: signed by an nkey (Ed25519), with the hash of its claims as id."""
    body: dict[str, object] = {
        "iat": int(time.time()),
        "iss": border.public_nkey(issuer_seed),
        "name": name,
        "sub": subject,
        "aud": audience,
        "nats": claims,
    }
    digest = hashlib.new("sha512_256", _json(body)).digest()
    body["jti"] = base64.b32encode(digest).decode().rstrip("=")
    signed = f"{_base64(_json({'typ': 'JWT', 'alg': 'ed25519-nkey'}))}.{_base64(_json(body))}"
    return f"{signed}.{_base64(border.sign(issuer_seed, signed.encode()))}"


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unpadded(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
