"""Who is at the stand-in of LinkedIn, and how the site treats each of them. A storage format: only add to it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from heraldry.sandbox.errors import SandboxError

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
CodeBy = Literal["sms", "email", "authenticator"]
Challenge = Literal[
    "none",
    "sms",
    "email",
    "authenticator",
    "app",
    "captcha",
    "restricted",
    "too_often",
    "phone",  # a phone number is asked for
    "identity",  # a document is asked for
    "agree",  # new terms
]
InvitationOutcome = Literal["sent", "not_kept", "weekly_limit", "weekly_limit_afterwards", "slow_down"]
WithdrawalOutcome = Literal["withdrawn", "not_kept", "refused", "accepted_meanwhile", "names_another"]
MessageOutcome = Literal["sent", "failed", "not_kept", "never_ready"]
Answers = Literal["pages", "429", "999", "empty", "restricted", "checkpoint"]
SignInLayout = Literal["classic", "formless", "welcome_back", "chooser"]


@dataclass(frozen=True, slots=True)
class Person:
    """Anybody who has a profile."""

    slug: str
    first_name: str
    last_name: str
    headline: str = "Member"
    company: str = "Own business"
    place: str = "Stockholm, Sweden"
    picture: bool = True
    # where Connect is: on the profile, under More as a link, under More without an address, or nowhere
    connect: Literal["button", "more", "more_button", "nowhere"] = "button"
    email_required: bool = False  # an invitation is sent only with this person's email
    note_required: bool = False  # an invitation is sent only with a note
    moved_to: str = ""  # the profile has this slug now
    had_slug: str = ""  # the first one; ids are made of it and stay
    sends_at_once: bool = False  # Connect invites without a dialog
    opens_thread_of: str = ""  # Message leads to the conversation with this person (slug) instead

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def member(self) -> int:
        """The number in urn:li:member."""
        return int(sha256((self.had_slug or self.slug).encode()).hexdigest()[:7], 16)

    @property
    def profile_id(self) -> str:
        """The id in urn:li:fsd_profile."""
        return "ACoAA" + sha256(f"profile {self.had_slug or self.slug}".encode()).hexdigest()[:30]


@dataclass(frozen=True, slots=True)
class Scenario:
    """How the site treats an account. The defaults are an account without trouble."""

    challenge: Challenge = "none"  # what stands between the right password and the feed
    # the account has no password of LinkedIn's own: signed in to by this only
    only_by: Literal["", "google", "microsoft", "apple", "passkey"] = ""
    only_by_shows: Literal["one_time_link", "wrong_password"] = "one_time_link"
    sales_navigator: bool = False
    premium: bool = False  # notes without end, of 300 characters instead of 200
    notes: int = 5  # personal notes in a calendar month, without premium
    weekly_invitations: int = 100  # in any 7 days
    # what comes of an invitation: it is sent; said to be sent and is not; the limit of the week is reached,
    # told before or after; not now
    invitation: InvitationOutcome = "sent"
    # what comes of a withdrawal: said to be made and is not; refused; refused, for the person accepts in this very
    # moment; the dialog is about another person
    withdrawal: WithdrawalOutcome = "withdrawn"
    # what comes of a message: said to have failed; said to be sent and is not; Send never becomes ready
    message: MessageOutcome = "sent"
    pages_until_revoked: int | None = None  # then LinkedIn ends every session of the account
    # what every page answers instead of itself: asked too fast, taken for a machine, nothing at all, the account is
    # restricted; or, once, a challenge that ends every session
    answers: Answers = "pages"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in. `slug` is the profile."""

    email: str
    password: str
    slug: str
    scenario: Scenario = field(default_factory=Scenario)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the site looks like to everybody."""

    sign_in: SignInLayout = "classic"
    welcomes: str = ""  # email of the account that welcome_back and chooser know; the one that signed in last
    cookie_banner: bool = False
    profile: Literal["sdui", "legacy"] = "sdui"
    invitation: Literal["shadow", "native"] = "shadow"  # the dialog: in a shadow root, or an element dialog
    slow_dialogs: float = 0.0  # seconds until one is there, and until what was pressed in it is done


FIRST_PEOPLE = (
    Person("ada-bergstrom", "Ada", "Bergström", "Partnerships at Northwind", "Northwind"),
    Person("jonas-lindqvist", "Jonas", "Lindqvist", "Sales at Northwind", "Northwind"),
    Person("mina-okafor", "Mina", "Okafor", "Founder of Northwind", "Northwind", "London, United Kingdom"),
    Person("lea-fournier", "Léa", "Fournier", "Owner of Maison Verte", "Maison Verte", "Lyon, France"),
    Person("tomas-vidal", "Tomás", "Vidal", "Head of purchasing at Brisa", "Brisa", "Porto, Portugal"),
    Person("ines-carvalho", "Inês", "Carvalho", "Speaker", "Brisa", "Porto, Portugal", connect="more"),
    Person(
        "henrik-dahl",
        "Henrik",
        "Dahl",
        "Chief executive at Fjordlys",
        "Fjordlys",
        "Bergen, Norway",
        picture=False,
        connect="more_button",
    ),
    Person("oskar-wren", "Oskar", "Wren", "Author", connect="nowhere"),
    Person("lea-fournier-2", "Léa", "Fournier", "Student", "Université de Lyon", "Lyon, France"),
    Person("pia-holm", "Pia", "Holm", "Baker"),
    Person("samir-aziz", "Samir", "Aziz", "Gardener"),
    Person("greta-lund", "Greta", "Lund", "Bookseller"),
)
FIRST_ACCOUNTS = (
    ("ada@northwind.example", "ada-bergstrom", Scenario()),
    ("jonas@northwind.example", "jonas-lindqvist", Scenario(challenge="sms")),
    ("mina@northwind.example", "mina-okafor", Scenario(challenge="app", sales_navigator=True)),
)


def checked_slug(slug: str) -> str:
    """Refused as slug_malformed when no address of a profile could end so."""
    if not SLUG.fullmatch(slug):
        raise SandboxError(
            "slug_malformed", "Give small letters, digits and hyphens.", status=422, field="slug"
        )
    return slug


def slug_of(name: str) -> str:
    """What the address of a profile of this name ends in."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "member"
