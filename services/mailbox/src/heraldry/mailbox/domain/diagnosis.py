"""What a mail server's answer means to the person who reads it. Pure: from words and failures to a
`Diagnosis`.

The protocol's own field decides first (IMAP response code, SMTP enhanced status), then the number, and the
text only where both are ambiguous. What is in no table still ends in a class, so nobody ever meets a bare
answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, TypeAlias

from heraldry.mailbox.domain import failures
from heraldry.mailbox.domain.findings import FINDINGS, Kind

Protocol: TypeAlias = Literal["imap", "smtp"]
Spoken: TypeAlias = Literal["imap", "smtp", "google", "microsoft"]
Stage: TypeAlias = Literal["connect", "login", "inbox", "folder", "sender", "recipient", "content"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A stable `code`, a likely `cause` and a `resolution` for the person, and who can mend it (`kind`).

    *transient* passes by itself: back off and keep the inbox's state. `words` are the server's own, shortened
    and without secrets; empty where there were none. A code that begins with `recipient.` speaks of the
    recipient and says nothing about the inbox.
    """

    code: str
    cause: str
    resolution: str
    kind: Kind
    protocol: Spoken
    words: str = ""


class Failure(StrEnum):
    """How a conversation broke off without an answer of the mail server."""

    UNKNOWN_HOST = "host.unknown"
    NO_RESOLVER = "network.no-resolver"
    PRIVATE_ADDRESS = "host.private-address"
    REFUSED = "host.refused"
    UNREACHABLE = "host.unreachable"
    TIMEOUT = "host.timeout"
    CLOSED = "connection.closed"
    NOT_MAIL = "host.not-mail"
    TLS_NAME = "tls.wrong-name"
    TLS_EXPIRED = "tls.expired"
    TLS_UNTRUSTED = "tls.untrusted"
    TLS_MODE = "tls.wrong-mode"
    TLS_OTHER = "tls.failed"
    NO_STARTTLS = "tls.no-starttls"
    NO_AUTH = "login.no-method"


_NETWORK = frozenset(
    {
        Failure.UNKNOWN_HOST,
        Failure.REFUSED,
        Failure.UNREACHABLE,
        Failure.TIMEOUT,
        Failure.NOT_MAIL,
        Failure.TLS_OTHER,
    }
)
_ROUTINE = frozenset(
    {"credentials.invalid", "login.refused", "host.unreachable", "host.refused", "host.timeout"}
)


def diagnose_failure(protocol: Protocol, failure: Failure, *, connected_before: bool = False) -> Diagnosis:
    """A broken conversation. On an inbox that worked before, the network is never the person's fault
    (R-BOX-14).
    """
    if connected_before and failure in _NETWORK:
        return finding("network.failed", protocol)
    return finding(failure.value, protocol)


def diagnose(
    protocol: Protocol,
    stage: Stage,
    answer: str,
    *,
    connected_before: bool = False,
    with_token: bool = False,
) -> Diagnosis:
    """An answer of the server, as it came (`535 5.7.8 …`, `NO [AUTHENTICATIONFAILED] …`), at a stage of our
    talk.

    `connected_before`: this inbox worked with these credentials, so refused ones mean that they changed.
    `with_token`: the sign-in was by OAuth, so there is no password that could be wrong.
    """
    words = tidy(answer)
    code = _smtp(stage, words) if protocol == "smtp" else _imap(stage, words)
    if with_token and code in _TOKEN_REFUSED:
        code = "grant.invalid"
    if connected_before and (code == "credentials.invalid" or _EXCHANGE_REFUSES.search(words)):
        code = "grant.invalid" if with_token else "credentials.changed"
    return replace(finding(code, protocol), words=words)


def explain(
    protocol: Protocol,
    answer: str,
    *,
    stage: Stage | None = None,
    connected_before: bool = False,
    with_token: bool = False,
) -> Diagnosis:
    """Whatever came instead of success: a server's answer, or a program's words for a broken conversation."""
    if failure := failure_in(answer):
        found = diagnose_failure(protocol, failure, connected_before=connected_before)
        return replace(found, words=tidy(answer))
    at = stage or stage_of(protocol, answer)
    return diagnose(protocol, at, answer, connected_before=connected_before, with_token=with_token)


def failure_in(words: str) -> Failure | None:
    """How a conversation broke off, told by the words of common programs; None for a server's answer."""
    words = tidy(words)
    if _ANSWERED.match(words):
        return None
    return next((failure for failure, pattern in _BROKEN if re.search(pattern, words, re.IGNORECASE)), None)


def stage_of(protocol: Protocol, answer: str) -> Stage:
    """The stage that an answer most likely belongs to."""
    words = tidy(answer)
    for stage, pattern in _SMTP_STAGES if protocol == "smtp" else _IMAP_STAGES:
        if re.search(pattern, words, re.IGNORECASE):
            return stage
    return "login"


_ANSWERED = re.compile(r"^(?:[2-5]\d\d(?:[ -]|$)|(?:\S{1,20} )?(?:OK|NO|BAD|BYE)\b)")
_BROKEN = (
    (Failure.NO_RESOLVER, r"EAI_AGAIN|temporary failure in name resolution|server misbehaving"),
    (Failure.UNKNOWN_HOST, r"ENOTFOUND|EAI_NONAME|EAI_NODATA|getaddrinfo|name or service not known|nodename nor servname"
     r"|no such host|nxdomain|(?:could not|cannot|failed to) resolve|(?:unknown host|host(?:name)? not found)|no address associated"),
    (Failure.REFUSED, r"ECONNREFUSED|connection refused|actively refused"),
    (Failure.UNREACHABLE, r"EHOSTUNREACH|ENETUNREACH|no route to host|network is unreachable|host is unreachable"),
    (Failure.TLS_NAME, r"hostname mismatch|ALTNAME_INVALID|altnames|(?:does not|doesn't|not) match|(?:is )?not valid for"),
    (Failure.TLS_EXPIRED, r"certificate (?:has |is )?expired|CERT_HAS_EXPIRED|expired certificate"),
    (Failure.TLS_UNTRUSTED, r"self[-_ ]signed|unable to get (?:local )?issuer|unable to verify|UNABLE_TO_(?:VERIFY|GET_ISSUER)"
     r"|unknown ca|untrusted|unknown authority|certificate verify failed"),
    (Failure.TLS_MODE, r"wrong[ _]version[ _]number|packet length too long|record layer failure|get_record|not look like a tls"),
    (Failure.NO_STARTTLS, r"starttls (?:is )?(?:not (?:supported|offered|available)|extension not supported)"),
    (Failure.TIMEOUT, r"ETIMEDOUT|ESOCKETTIMEDOUT|timed[ -]?out|time-?out\b"),
    (Failure.CLOSED, r"ECONNRESET|EPIPE|connection (?:was )?(?:reset|closed|lost|aborted)|unexpected eof|socket hang up|broken pipe"
     r"|end of file|EOF occurred"),
    (Failure.TLS_OTHER, r"handshake|\bssl\b.{0,40}(?:error|fail|alert)|\btls\b.{0,40}(?:error|fail|alert)|sslv3|EPROTO"),
)  # fmt: skip
_EXCHANGE_REFUSES = re.compile(r"(?i)(?:\bno |^)authenticate failed\b")
_TOKEN_REFUSED = frozenset(
    {"credentials.invalid", "login.refused", "policy.basic-auth-disabled", "credentials.app-password-needed"}
)


def combined(imap: Diagnosis | None, smtp: Diagnosis | None) -> Diagnosis | None:
    """The one diagnosis of a connection test over both protocols; None when both work.

    IMAP comes first. If only SMTP failed, and its own answer says nothing more specific, the most useful
    thing to know is just that: the password is right, the SMTP settings are not.
    """
    if imap is not None:
        return imap
    if smtp is not None and smtp.code in _ROUTINE:
        return replace(finding("smtp.failed-imap-works", "smtp"), words=smtp.words)
    return smtp


def advice(code: Literal["inbox.empty"]) -> Diagnosis:
    """Something worth telling about an inbox that works."""
    return finding(code, "imap")


def finding(code: str, protocol: Spoken) -> Diagnosis:
    """The diagnosis of a stable code."""
    found = FINDINGS[code]
    return Diagnosis(code, found.cause, found.resolution, found.kind, protocol)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_WORDS = 300


def tidy(answer: str) -> str:
    """The server's words on one line, without control characters, at most 300 characters."""
    line = _CONTROL.sub(" ", answer[: _WORDS * 4]).strip()
    return line if len(line) <= _WORDS else line[: _WORDS - 1] + "…"


# --- IMAP -----------------------------------------------------------------------------------------

_IMAP_CODE = re.compile(r"\[([A-Z][A-Z0-9.-]*)", re.IGNORECASE)
_IMAP_CODES = {
    "AUTHENTICATIONFAILED": "credentials.invalid",
    "EXPIRED": "credentials.expired",
    "AUTHORIZATIONFAILED": "access.denied",
    "CONTACTADMIN": "access.contact-admin",
    "PRIVACYREQUIRED": "tls.required",
    "NOPERM": "access.denied",
    "UNAVAILABLE": "provider.unavailable",
    "INUSE": "provider.unavailable",
    "SERVERBUG": "provider.unavailable",
    "CORRUPTION": "provider.unavailable",
    "LIMIT": "provider.throttled",
    "THROTTLED": "provider.throttled",
    "OVERQUOTA": "mailbox.full",
    "WEBALERT": "login.web-required",
    "NONEXISTENT": "inbox.unreadable",
    "EXPUNGEISSUED": "folder.refused",
    "CANNOT": "folder.refused",
    "ALREADYEXISTS": "folder.refused",
    "CLIENTBUG": "operator.our-mistake",
}
_IMAP_STAGES: tuple[tuple[Stage, str], ...] = (
    ("connect", r"^(?:\* )?BYE\b"),
    ("login", r"authenticat\w* failed|\[(?:AUTH|EXPIRED|CONTACTADMIN|PRIVACYREQUIRED|WEBALERT)|log ?in"),
    ("inbox", r"not connected|mailbox|select|\[NONEXISTENT|\[NOPERM"),
    ("folder", r"\[(?:OVERQUOTA|CANNOT|ALREADYEXISTS|EXPUNGEISSUED|TRYCREATE|LIMIT)|append|quota"),
)
_IMAP_TEXTS = (
    (r"application-specific password", "credentials.app-password-needed"),
    (r"web browser", "login.web-required"),
    (r"too many simultaneous connections|maximum number of connections", "connections.too-many"),
    (r"too many (?:login|bad|failed|auth)\w*", "too-many-attempts"),
    (r"authenticated but not connected", "inbox.unreadable"),
    (r"exceeded (?:command|bandwidth)|throttl|rate limit|try again later", "provider.throttled"),
    (r"basic auth\w* (?:is )?(?:disabled|not supported)|logindisabled", "policy.basic-auth-disabled"),
    (r"imap (?:access )?is (?:disabled|not enabled)|not enabled for imap", "policy.imap-disabled"),
    (r"temporar|unavailable|internal error|timed? ?out", "provider.unavailable"),
    (r"account (?:is )?(?:locked|disabled|suspended)", "access.locked"),
    (r"(?:\bno |^)authenticate failed\b", "policy.basic-auth-disabled"),  # Exchange; any other says so in a code
    (r"invalid credentials|log(?:in|on) fail|authenticat\w+ failed|incorrect", "credentials.invalid"),
    (r"bad (?:username|password|user)|(?:username|password) (?:and|or|not)", "credentials.invalid"),
)  # fmt: skip
_IMAP_ELSE: dict[Stage, str] = {
    "connect": "provider.unavailable",
    "login": "login.refused",
    "inbox": "inbox.unreadable",
    "folder": "folder.refused",
}


def _imap(stage: Stage, words: str) -> str:
    by_code = [_IMAP_CODES[code] for code in map(str.upper, _IMAP_CODE.findall(words)) if code in _IMAP_CODES]
    by_text = _by_text(_IMAP_TEXTS, words)
    if stage == "inbox" and "not connected" in words.lower():
        return "inbox.unreadable"
    if by_code and not (by_code[0] == "credentials.invalid" and by_text):
        return by_code[0]
    if words.upper().startswith("* BYE") or words.upper().startswith("BYE"):
        return by_text or "provider.unavailable"
    return by_text or _IMAP_ELSE.get(stage, "folder.refused")


# --- SMTP -----------------------------------------------------------------------------------------

_SMTP_ANSWER = re.compile(r"^(?P<number>[2-5]\d\d)?[ -]?(?:(?P<enhanced>[245]\.\d{1,3}\.\d{1,3})\b)?")
_SMTP_AMBIGUOUS = (  # Exchange's 5.7.139 and other codes with several meanings: the text decides
    (r"smtpclientauthentication is disabled for the tenant", "policy.smtp-disabled"),
    (r"smtpclientauthentication is disabled for the mailbox", "policy.differs-per-mailbox"),
    (r"smtp_auth_disabled", "policy.smtp-disabled"),
    (r"basic auth\w* (?:is )?(?:disabled|not supported)", "policy.basic-auth-disabled"),
    (r"security defaults|conditional access", "policy.blocked"),
    (r"did not meet the criteria to be authenticated", "policy.blocked"),
    (r"user credentials were incorrect", "credentials.invalid"),
    (r"application-specific password|invalidsecondfactor", "credentials.app-password-needed"),
    (r"log ?in (?:via|with) your web browser", "login.web-required"),
    (r"too many (?:login|bad|failed|auth)\w*", "too-many-attempts"),
    (r"(?:daily|hourly) (?:user )?sending (?:limit|quota)|sending limit exceeded", "provider.quota-exceeded"),
    (r"unusual rate of unsolicited", "provider.throttled"),
    (r"\b(?:spf|dkim|dmarc)\b", "deliverability.poor"),
)
_SMTP_STAGES: tuple[tuple[Stage, str], ...] = (
    ("login", r"^(?:53[0458]|454)\b|authenticat(?!ed mail)\w* (?:un|fail|cred|req)|basic auth|password|log ?in|smtp_auth|security defaults"
     r"|credentials|5\.7\.(?:3|8|9|14|30|57|139)\b"),
    ("content", r"\b(?:spf|dkim|dmarc)\b|5\.[36]\.\d|5\.7\.(?:2\d|509|515)\b|spam|content|virus|too (?:large|big)|message size|^552 (?!5\.2)"),
    ("sender", r"5\.1\.[78]\b|sender|not owned|send ?as|mail from|from address"),
    ("recipient", r"[45]\.[124]\.\d|recipient|user unknown|mailbox|relay|^(?:45[012]|55[0135])\b"),
    ("connect", r"^(?:220|421|554)\b"),
    ("content", r"^55[24]\b"),
)  # fmt: skip
_SMTP_ENHANCED = {
    "5.7.8": "credentials.invalid",
    "5.7.3": "credentials.invalid",
    "5.7.9": "credentials.app-password-needed",
    "5.7.14": "login.web-required",
    "5.7.30": "policy.basic-auth-disabled",
    "5.7.57": "login.needed",
    "5.7.139": "policy.blocked",
    "5.4.5": "provider.quota-exceeded",
    "4.7.28": "provider.throttled",
    "5.7.20": "deliverability.poor",
    "5.7.21": "deliverability.poor",
    "5.7.22": "deliverability.poor",
    "5.7.23": "deliverability.poor",
    "5.7.25": "deliverability.poor",
    "5.7.26": "deliverability.poor",
    "5.7.27": "deliverability.poor",
    "5.7.509": "deliverability.poor",
    "5.7.515": "deliverability.poor",
}
_SMTP_RECIPIENT = {
    "5.1.1": "recipient.unknown",
    "5.1.2": "recipient.unknown",
    "5.1.3": "recipient.unknown",
    "5.1.6": "recipient.unknown",
    "5.1.10": "recipient.unknown",
    "5.2.1": "recipient.unknown",
    "5.2.2": "recipient.full",
    "4.2.2": "recipient.full",
    "4.2.1": "recipient.later",
}
_SMTP_PERMANENT: dict[Stage, str] = {
    "connect": "host.refuses",
    "login": "login.refused",
    "sender": "sender.refused",
    "recipient": "recipient.refused",
    "content": "message.refused",
}


def _smtp(stage: Stage, words: str) -> str:
    found = _SMTP_ANSWER.match(words)
    number = (found and found["number"]) or ""
    enhanced = (found and found["enhanced"]) or ""
    if code := _by_text(_SMTP_AMBIGUOUS, failures.without_addresses(words)):
        return code
    if stage == "login" and (enhanced == "4.7.0" or number == "454"):
        return "too-many-attempts"
    if code := _SMTP_ENHANCED.get(enhanced):
        return code
    if stage in ("recipient", "content") and (code := _SMTP_RECIPIENT.get(enhanced)):
        return code
    if number.startswith("4") or enhanced.startswith("4"):
        return "recipient.later" if stage == "recipient" and number != "421" else "provider.unavailable"
    if number == "530":
        return "tls.required" if "starttls" in words.lower() else "login.needed"
    if stage == "login" and number in ("535", "534"):
        return "credentials.invalid"
    if number == "552":
        return "message.too-large"
    return _SMTP_PERMANENT.get(stage, "message.refused")


def _by_text(table: tuple[tuple[str, str], ...], words: str) -> str:
    return next((code for pattern, code in table if re.search(pattern, words, re.IGNORECASE)), "")
