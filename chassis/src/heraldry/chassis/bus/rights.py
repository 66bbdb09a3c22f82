"""Who may do what on NATS. A table, nothing else: the server's configuration is written from it.

JetStream rights are rights on API subjects, not on the subjects of events, and a permission's wildcard
stands for whole tokens only. So every durable consumer has its name in `DURABLES`; a service can neither
change, read nor acknowledge another one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from heraldry.contracts.subjects import parked_stream

EVENTS = "HERALDRY"
KEYS = "KEYS"
BUCKETS = ("VAULT", "CLOCK", "SESSIONS", "THROTTLES", "REQUESTS", "HALT", "LEASES", "CHECKPOINTS")

CONTEXTS = ("identity", "mailbox", "linkedin-driver", "scheduler", "gateway")
SANDBOX = "sandbox"
OPERATOR = "operator"  # the supervisor and the `heraldry` command: makes streams, parks, replays, shreds
SIGNER = "signer"  # holds the key of the checkpoints: is asked by relays, and asks nobody
SYSTEM = "system"  # the server's own account: asked for its settings

SERVER_STATE = "heraldry.server.state"  # answered by the server itself: $SYS.REQ.SERVER.PING.VARZ
SERVER_HEALTH = "heraldry.server.health"  # likewise: $SYS.REQ.SERVER.PING.HEALTHZ
CALLOUT_ANSWERS = "$SYS._INBOX.>"  # where it waits for the answer
CALLOUT = "$SYS.REQ.USER.AUTH"  # the server asks here whom a user it does not know may be

SIGN = "heraldry.signer.sign"  # a context asks for a checkpoint of its own log
BEGIN = "heraldry.signer.begin"  # the operator asks for one that begins an epoch, after a restore

PARTITIONS = 16

# to which contexts a service may address commands and queries, beside its own
SENDS: Mapping[str, tuple[str, ...]] = {
    "gateway": CONTEXTS,
    "identity": ("mailbox", "linkedin-driver", "scheduler", "gateway"),  # it leads erasures
    "mailbox": ("scheduler",),
    "linkedin-driver": ("scheduler",),
    "scheduler": ("mailbox", "linkedin-driver"),
}
# whose public key a service may read beside its own, to seal something to them; the gateway reads everybody's
SEALS: Mapping[str, tuple[str, ...]] = {"mailbox": ("gateway",)}
CONSUMERS: Mapping[str, tuple[str, ...]] = {  # `<context>-<purpose>`: a checkpoint's name, never renamed
    "identity": ("identity-reactions", "identity-outcomes"),
    "mailbox": ("mailbox-imports", "mailbox-reactions"),
    "linkedin-driver": ("linkedin-driver-imports",),
    "scheduler": (
        "scheduler-imports",
        "scheduler-inboxes",
        "scheduler-people",
        "scheduler-outcomes",
        "scheduler-leads",
        "scheduler-suppressions",
        "scheduler-linkedin-accounts",
        "scheduler-linkedin-outcomes",
        "scheduler-invitations",
        "scheduler-linkedin-leads",
        "scheduler-organizations",
    ),
    "gateway": (),  # its views follow the stream with a consumer of the moment
}
KEEPERS = ("identity", "scheduler")  # keep blobs: pictures, files of leads
CONTROLLED = ("mailbox", "linkedin-driver")  # carry out the scheduler's steps, in order
DURABLES: Mapping[str, tuple[str, ...]] = {
    context: (
        *CONSUMERS[context],
        *(
            f"{context}-control-{partition}"
            for partition in range(PARTITIONS if context in CONTROLLED else 0)
        ),
    )
    for context in CONTEXTS
}


def blob_store(context: str) -> str:
    """The object store of a context's blobs. A storage format."""
    return f"BLOBS_{context}"


def blob_stream(context: str) -> str:
    """The stream behind it."""
    return f"OBJ_{blob_store(context)}"


def measured(context: str) -> tuple[str, ...]:
    """The streams whose budgets a context's processes watch: the gateway's, all; nobody else's, any."""
    if context != "gateway":
        return ()
    return (
        *(EVENTS, KEYS),
        *map(parked_stream, CONTEXTS),
        *(f"KV_{name}" for name in BUCKETS),
        *map(blob_stream, KEEPERS),
    )


STORED = (  # how the subjects of what streams keep begin
    "heraldry.events.",
    "heraldry.internal.",
    "heraldry.relay.",
    "heraldry.keys.",
    "heraldry.parked.",
    "$KV.",
    "$O.",
)
# What is to be stored goes there, and is kept under its own subject; JetStream is asked there what it does with rights of
# its own. The server takes no request whose answer would go to a subject that begins with `_R_.`: nobody has it write on a
# stream that is closed to him, nor ask it to.
WRITTEN = "_R_.heraldry"
API = "$JS.API."
READING = (
    "$JS.API.DIRECT.GET.",
    "$JS.API.CONSUMER.MSG.NEXT.",
)  # answered by a stream and by a consumer themselves


def written(subject: str) -> str:
    """Where a message on this subject is published: the streams and JetStream listen there, and nowhere else."""
    if subject.startswith(STORED) or (subject.startswith(API) and not subject.startswith(READING)):
        return f"{WRITTEN}.{subject}"
    return subject


@dataclass(frozen=True, slots=True)
class Rights:
    """Subjects a user may publish and subscribe; what is not named is refused by the server."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    deny_publish: tuple[str, ...] = ()


FOR_SUBSCRIBERS: Mapping[str, str] = {  # what their account may ask of ours, and how many answers come
    f"$JS.API.CONSUMER.MSG.NEXT.{EVENTS}.*": "stream",
    f"$JS.ACK.{EVENTS}.*.>": "singleton",
}


@dataclass(frozen=True, slots=True)
class SubscriberRights:
    """What the gateway grants an event subscriber: its own consumer, and nothing else of the server."""

    subscriber: str  # the subscriber's id, a UUID
    consumer: str

    @classmethod
    def of(cls, subscriber: str) -> SubscriberRights:
        return cls(subscriber, subscriber_name(subscriber))

    @property
    def rights(self) -> Rights:
        return Rights(
            publish=(
                f"$JS.API.CONSUMER.MSG.NEXT.{EVENTS}.{self.consumer}",
                f"$JS.ACK.{EVENTS}.{self.consumer}.>",
            ),
            subscribe=(f"{inbox_prefix(self.consumer)}.>",),
        )


def subscriber_name(subscriber: str) -> str:
    """The user and the consumer of an event subscriber."""
    return f"sub_{subscriber}"


INBOXES = "_INBOX_"  # how every subject begins on which a user is answered


def inbox_prefix(user: str) -> str:
    """Where answers to a user go: nobody else may listen there."""
    return f"{INBOXES}{user}"


def is_asked_by_a_user(reply: str) -> bool:
    """Whether a request was published by who wants the answer, as far as its reply subject tells.

    The server writes answers of JetStream with its own rights wherever it is told to, so that a user may have it
    publish, on a subject closed to him, what he has stored. Such a message is answered nowhere, or acknowledged.
    """
    return reply.startswith(INBOXES)


def users(
    contexts: Sequence[str] = CONTEXTS, durables: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Rights]:
    """The rights of every user of the application's account. `durables` adds names to the table's, for
    tests.
    """
    names = {
        context: (*DURABLES.get(context, ()), *(durables or {}).get(context, ())) for context in contexts
    }
    found = {context: service(context, names) for context in contexts}
    found[SANDBOX] = sandbox()
    found[SIGNER] = signer()
    found[OPERATOR] = Rights(publish=(">",), subscribe=(">",), deny_publish=(CALLOUT,))
    return found


def service(context: str, durables: Mapping[str, Sequence[str]]) -> Rights:
    """The rights of one context's processes."""
    is_gateway = context == "gateway"
    publish = [
        f"heraldry.events.*.{context}.>",
        f"heraldry.internal.{context}.>",
        f"heraldry.relay.{context}",
        f"heraldry.parked.{context}.>",
        f"heraldry.keys.{context}.>",
        f"{SIGN}.{context}",
        SERVER_STATE,
        SERVER_HEALTH,
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        *(f"heraldry.commands.{to}.*" for to in sorted({context, *SENDS.get(context, ())})),
        *(f"heraldry.queries.{to}.*" for to in sorted({context, *SENDS.get(context, ())})),
        *_events(durables[context]),
        *_keys(context),
        *_parked(context),
        *_vault(context),
        *(_public(other) for other in SEALS.get(context, ())),
        *(_blobs(context) if context in KEEPERS else ()),
        *_watch("CLOCK"),
        *_watch("HALT"),
        *_own(context, "LEASES"),
        *_own(context, "CHECKPOINTS"),
        *_answers(
            (*(user for user in durables if user == context or context in SENDS.get(user, ())), OPERATOR)
        ),
    ]
    deny: list[str] = []
    if context == "identity":  # it leads erasures: what is deleted is overwritten
        publish += [f"$JS.API.STREAM.MSG.DELETE.{stream}" for stream in (EVENTS, KEYS)]
    if is_gateway:
        publish += [
            *(f"$JS.API.STREAM.INFO.{stream}" for stream in measured(context)),
            CALLOUT_ANSWERS,
            "$KV.HALT.>",
            f"$JS.API.DIRECT.GET.KV_VAULT.$KV.VAULT.{PUBLIC}.>",
            *_whole("SESSIONS"),
            *_whole("THROTTLES"),
            *_whole("REQUESTS"),
            # makes and removes the consumers of event subscribers, whose names are not known beforehand
            *(f"$JS.API.CONSUMER.{verb}.{EVENTS}.*" for verb in ("CREATE", "INFO", "DELETE")),
        ]
        deny += [
            f"$JS.API.CONSUMER.{verb}.{EVENTS}.{name}"
            for other, names in durables.items()
            if other != context
            for name in names
            for verb in ("CREATE", "DELETE")
        ]
    return Rights(
        publish=tuple(map(written, publish)),
        subscribe=(
            f"{inbox_prefix(context)}.>",
            f"heraldry.commands.{context}.*",
            f"heraldry.queries.{context}.*",
            *((CALLOUT,) if is_gateway else ()),
        ),
        deny_publish=tuple(map(written, deny)),
    )


def _answers(to: Iterable[str]) -> tuple[str, ...]:
    """Answering these users, and nobody else: a right to answer any request would be one to answer oneself, anywhere."""
    return tuple(f"{inbox_prefix(user)}.>" for user in to)


PUBLIC = "public"  # the first token of VAULT keys that other contexts may read; no context has this name


def sandbox() -> Rights:
    """The stand-ins for the outside world move the clock, and do nothing else."""
    return Rights(
        publish=tuple(map(written, (*_watch("CLOCK"), "$KV.CLOCK.>"))),
        subscribe=(f"{inbox_prefix(SANDBOX)}.>",),
    )


def signer() -> Rights:
    """The signer answers, and does nothing else."""
    return Rights(
        publish=_answers((*CONTEXTS, OPERATOR)),
        subscribe=(f"{inbox_prefix(SIGNER)}.>", f"{SIGN}.*", f"{BEGIN}.*"),
    )


def _events(durables: Sequence[str]) -> list[str]:
    subjects = [
        f"$JS.API.STREAM.INFO.{EVENTS}",
        f"$JS.API.STREAM.MSG.GET.{EVENTS}",
        f"$JS.API.DIRECT.GET.{EVENTS}",
        f"$JS.API.DIRECT.GET.{EVENTS}.>",
        f"$JS.FC.{EVENTS}.>",
    ]
    for name in durables:
        subjects += [
            f"$JS.API.CONSUMER.CREATE.{EVENTS}.{name}",
            f"$JS.API.CONSUMER.CREATE.{EVENTS}.{name}.>",
            f"$JS.API.CONSUMER.DURABLE.CREATE.{EVENTS}.{name}",
            f"$JS.API.CONSUMER.INFO.{EVENTS}.{name}",
            f"$JS.API.CONSUMER.MSG.NEXT.{EVENTS}.{name}",
            f"$JS.ACK.{EVENTS}.{name}.>",
        ]
    return subjects


def _keys(context: str) -> tuple[str, ...]:
    own = f"heraldry.keys.{context}.>"
    return (
        # with the filter in the subject, so that the server compares it with the one asked for
        f"$JS.API.CONSUMER.CREATE.{KEYS}.*.{own}",
        f"$JS.API.DIRECT.GET.{KEYS}.{own}",
    )


def _parked(context: str) -> tuple[str, ...]:
    """A stream of its own: whoever may read or delete one message of a stream may do so with each of them."""
    stream = parked_stream(context)
    return (
        f"$JS.API.DIRECT.GET.{stream}.heraldry.parked.{context}.>",
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.STREAM.MSG.DELETE.{stream}",
    )


def _vault(context: str) -> tuple[str, ...]:
    return (
        *_own(context, "VAULT"),
        f"$KV.VAULT.{PUBLIC}.{context}",
        _public(context),
    )


def _public(context: str) -> str:
    """Reading a context's public key."""
    return f"$JS.API.DIRECT.GET.KV_VAULT.$KV.VAULT.{PUBLIC}.{context}"


def _own(context: str, bucket: str) -> tuple[str, ...]:
    """A context's own part of a bucket: the keys that begin with its name."""
    own = f"$KV.{bucket}.{context}.>"
    return (
        own,
        f"$JS.API.DIRECT.GET.KV_{bucket}.{own}",
        f"$JS.API.CONSUMER.CREATE.KV_{bucket}.*.{own}",
        f"$JS.API.STREAM.INFO.KV_{bucket}",
    )


def _watch(bucket: str) -> tuple[str, ...]:
    """Reading and following a whole bucket."""
    stream = f"KV_{bucket}"
    return (
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.API.CONSUMER.DELETE.{stream}.*",
        f"$JS.FC.{stream}.>",
    )


def _whole(bucket: str) -> tuple[str, ...]:
    return (*_watch(bucket), f"$KV.{bucket}.>", f"$JS.API.STREAM.PURGE.KV_{bucket}")


def _blobs(context: str) -> tuple[str, ...]:
    """A store of its own: whoever may purge a stream may do so with everything in it."""
    stream = blob_stream(context)
    return (
        f"$O.{blob_store(context)}.>",
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.STREAM.PURGE.{stream}",
    )
