"""What providers answer (the answers are real ones) and what we tell the person about it."""

from __future__ import annotations

import pytest
from heraldry.mailbox.domain.diagnosis import (
    Diagnosis,
    Failure,
    Protocol,
    Stage,
    advice,
    combined,
    diagnose,
    diagnose_failure,
    explain,
)
from heraldry.mailbox.domain.findings import FINDINGS
from hypothesis import given
from hypothesis import strategies as st

IMAP = (
    ("login", "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", "credentials.invalid", "person"),
    ("login", "NO [AUTHENTICATIONFAILED] Authentication failed.", "credentials.invalid", "person"),
    ("login", "NO AUTHENTICATE failed.", "policy.basic-auth-disabled", "administrator"),
    ("login", "NO LOGIN failed.", "credentials.invalid", "person"),
    ("login", "NO [ALERT] Application-specific password required: https://support.example/1 (Failure)",
     "credentials.app-password-needed", "person"),
    ("login", "NO [AUTHENTICATIONFAILED] Application-specific password required",
     "credentials.app-password-needed", "person"),
    ("login", "NO [WEBALERT https://accounts.example/] Web login required.", "login.web-required", "person"),
    ("login", "NO [ALERT] Please log in via your web browser: https://support.example (Failure)",
     "login.web-required", "person"),
    ("login", "NO [ALERT] Too many simultaneous connections. (Failure)", "connections.too-many", "transient"),
    ("login", "NO [EXPIRED] Password expired", "credentials.expired", "person"),
    ("login", "NO [AUTHORIZATIONFAILED] no access", "access.denied", "administrator"),
    ("login", "NO [CONTACTADMIN] ask them", "access.contact-admin", "administrator"),
    ("login", "NO [PRIVACYREQUIRED] TLS please", "tls.required", "person"),
    ("login", "NO [UNAVAILABLE] Temporary authentication failure.", "provider.unavailable", "transient"),
    ("login", "NO [LIMIT] too much", "provider.throttled", "transient"),
    ("login", "NO Account exceeded command or bandwidth limits. (Failure)", "provider.throttled",
     "transient"),
    ("folder", "NO [OVERQUOTA] Not enough disk quota", "mailbox.full", "person"),
    ("inbox", "BAD User is authenticated but not connected.", "inbox.unreadable", "administrator"),
    ("inbox", "NO Mailbox does not exist", "inbox.unreadable", "administrator"),
    ("login", "NO Basic authentication is disabled.", "policy.basic-auth-disabled", "administrator"),
    ("login", "NO computer says no", "login.refused", "person"),
    ("connect", "BYE Too many login failures from your address", "too-many-attempts", "transient"),
    ("login", "NO [AUTHENTICATIONFAILED] Authentication failed", "credentials.invalid", "person"),
    ("login", "NO [ALERT] Application-specific password required", "credentials.app-password-needed", "person"),
    ("login", "NO [OVERQUOTA] no", "mailbox.full", "person"),
    ("inbox", "NO [NOPERM] no", "access.denied", "administrator"),
    ("inbox", "NO [NONEXISTENT] Unknown mailbox", "inbox.unreadable", "administrator"),
    ("folder", "NO [INUSE] locked", "provider.unavailable", "transient"),
    ("folder", "NO [EXPUNGEISSUED] gone", "folder.refused", "transient"),
    ("folder", "NO [CORRUPTION] broken", "provider.unavailable", "transient"),
    ("folder", "NO [SERVERBUG] oops", "provider.unavailable", "transient"),
    ("folder", "BAD [CLIENTBUG] oops", "operator.our-mistake", "operator"),
    ("folder", "NO [CANNOT] no", "folder.refused", "transient"),
    ("folder", "NO [ALREADYEXISTS] there", "folder.refused", "transient"),
    ("connect", "BYE going down", "provider.unavailable", "transient"),
)  # fmt: skip
_EXCHANGE = "535 5.7.139 Authentication unsuccessful, "
SMTP = (
    ("login", "535 5.7.8 Username and Password not accepted", "credentials.invalid", "person"),
    ("login", "535-5.7.8 Username and Password not accepted. For more information, go to",
     "credentials.invalid", "person"),
    ("login", "535 5.7.3 Authentication unsuccessful", "credentials.invalid", "person"),
    ("login", "534-5.7.9 Application-specific password required.", "credentials.app-password-needed",
     "person"),
    ("login", "534-5.7.14 <https://x> Please log in via your web browser", "login.web-required", "person"),
    ("login", "454 4.7.0 Too many login attempts, please try again later.", "too-many-attempts", "transient"),
    ("login",
     _EXCHANGE + "SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled",
     "policy.smtp-disabled", "administrator"),
    ("login",
     _EXCHANGE + "SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled",
     "policy.differs-per-mailbox", "administrator"),
    ("login", _EXCHANGE + "basic authentication is disabled.", "policy.basic-auth-disabled", "administrator"),
    ("login", _EXCHANGE + "user is locked by your organization's security defaults policy", "policy.blocked",
     "administrator"),
    ("login", _EXCHANGE + "the request did not meet the criteria to be authenticated successfully",
     "policy.blocked", "administrator"),
    ("login", _EXCHANGE + "the user credentials were incorrect", "credentials.invalid", "person"),
    ("login", "550 5.7.30 Basic authentication is not supported for Client Submission",
     "policy.basic-auth-disabled", "administrator"),
    ("login", "421 4.3.0 try later", "provider.unavailable", "transient"),
    ("recipient", "550 5.4.5 Daily user sending limit exceeded", "provider.quota-exceeded", "transient"),
    ("content", "550 5.4.5 Daily user sending limit exceeded", "provider.quota-exceeded", "transient"),
    ("recipient", "550 5.1.1 no such user", "recipient.unknown", "person"),
    ("recipient", "550 5.1.1 <bob@dkim-lab.example>: User unknown", "recipient.unknown", "person"),
    ("recipient", "450 4.2.1 receiving mail too quickly", "recipient.later", "transient"),
    ("recipient", "552 5.2.2 mailbox full", "recipient.full", "person"),
    ("sender", "421 4.7.0 unusual rate of unsolicited mail", "provider.throttled", "transient"),
    ("sender", "553 5.7.1 not owned by user", "sender.refused", "person"),
    ("sender", "530 5.7.0 Must issue a STARTTLS command first", "tls.required", "person"),
    ("content", "550 5.7.26 This mail is unauthenticated", "deliverability.poor", "administrator"),
    ("content", "550 5.7.1 rejected because of DMARC policy", "deliverability.poor", "administrator"),
    ("content", "552 5.3.4 message too big", "message.too-large", "person"),
    ("content", "554 5.6.0 no", "message.refused", "person"),
    ("content", "451 4.3.0 later", "provider.unavailable", "transient"),
    ("connect", "554 5.7.1 go away", "host.refuses", "administrator"),
)  # fmt: skip


@pytest.mark.parametrize(("stage", "answer", "code", "kind"), IMAP)
def test_what_an_imap_answer_means(stage: Stage, answer: str, code: str, kind: str) -> None:
    found = diagnose("imap", stage, answer)
    assert (found.code, found.kind) == (code, kind)
    assert found.words == answer


@pytest.mark.parametrize(("stage", "answer", "code", "kind"), SMTP)
def test_what_an_smtp_answer_means(stage: Stage, answer: str, code: str, kind: str) -> None:
    found = diagnose("smtp", stage, answer)
    assert (found.code, found.kind) == (code, kind)


def test_a_refused_password_that_worked_before_was_changed() -> None:
    answer = "NO [AUTHENTICATIONFAILED] Invalid credentials"
    assert diagnose("imap", "login", answer, connected_before=True).code == "credentials.changed"
    assert diagnose("smtp", "login", "535 5.7.8 no", connected_before=True).code == "credentials.changed"


@pytest.mark.parametrize("failure", list(Failure))
@pytest.mark.parametrize("protocol", ["imap", "smtp"])
def test_every_broken_conversation_has_a_diagnosis(failure: Failure, protocol: Protocol) -> None:
    found = diagnose_failure(protocol, failure)
    assert found.cause
    assert found.resolution


@pytest.mark.parametrize(
    "failure", [Failure.UNKNOWN_HOST, Failure.REFUSED, Failure.TIMEOUT, Failure.UNREACHABLE]
)
def test_the_network_never_asks_to_reconnect_an_inbox_that_worked(failure: Failure) -> None:
    assert diagnose_failure("imap", failure).kind == "person"
    assert diagnose_failure("imap", failure, connected_before=True).kind == "transient"


def test_imap_that_works_is_told_from_smtp_that_does_not() -> None:
    refused, blocked = (
        diagnose("smtp", "login", "535 5.7.8 no"),
        diagnose("smtp", "login", "550 5.7.30 Basic authentication is not supported"),
    )
    reading = diagnose("imap", "login", "NO [AUTHENTICATIONFAILED] no")
    assert _code(combined(None, refused)) == "smtp.failed-imap-works"
    assert _code(combined(None, blocked)) == "policy.basic-auth-disabled"
    assert _code(combined(reading, refused)) == "credentials.invalid"
    assert combined(None, None) is None


def test_an_empty_inbox_is_worth_a_hint() -> None:
    assert advice("inbox.empty").resolution


def test_every_finding_says_what_to_do() -> None:
    for code, finding in FINDINGS.items():
        assert finding.cause.endswith("."), code
        assert finding.resolution.endswith("."), code


@given(
    st.sampled_from(["imap", "smtp"]),
    st.sampled_from(["connect", "login", "inbox", "sender", "content"]),
    st.text(),
)
def test_any_answer_ends_in_a_class(protocol: Protocol, stage: Stage, answer: str) -> None:
    found = diagnose(protocol, stage, answer)
    assert found.code in FINDINGS
    assert len(found.words) <= 300


GUESSED = (  # the stage is guessed from the answer alone
    ("imap", "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", "credentials.invalid"),
    ("imap", "NO [ALERT] Too many simultaneous connections. (Failure)", "connections.too-many"),
    ("imap", "BAD User is authenticated but not connected.", "inbox.unreadable"),
    ("imap", "a1 NO AUTHENTICATE failed.", "policy.basic-auth-disabled"),
    ("smtp", "534-5.7.14 <https://x> Please log in via your web browser", "login.web-required"),
    ("smtp", "535-5.7.8 Username and Password not accepted", "credentials.invalid"),
    ("smtp", "454 4.7.0 Too many login attempts, please try again later.", "too-many-attempts"),
    ("smtp", "535 5.7.3 Authentication unsuccessful", "credentials.invalid"),
    (
        "smtp",
        "550 5.7.30 Basic authentication is not supported for Client Submission",
        "policy.basic-auth-disabled",
    ),
    ("smtp", "550 5.4.5 Daily user sending limit exceeded", "provider.quota-exceeded"),
    ("smtp", "421 4.7.0 unusual rate of unsolicited mail", "provider.throttled"),
    ("smtp", "450 4.2.1 receiving mail too quickly", "recipient.later"),
    ("smtp", "550 5.1.1 User unknown", "recipient.unknown"),
    ("smtp", "552 5.2.2 Mailbox full", "recipient.full"),
    ("smtp", "552 5.3.4 Message too big", "message.too-large"),
    ("smtp", "550 5.7.26 This mail is unauthenticated (SPF)", "deliverability.poor"),
    ("smtp", "553 5.7.1 Sender address rejected: not owned by user", "sender.refused"),
    ("smtp", "530 5.7.0 Must issue a STARTTLS command first", "tls.required"),
    ("imap", "getaddrinfo ENOTFOUND imap.x.example", "host.unknown"),
    ("imap", "[Errno -3] Temporary failure in name resolution", "network.no-resolver"),
    ("smtp", "connect ECONNREFUSED 192.0.2.1:587", "host.refused"),
    ("smtp", "connect ETIMEDOUT 192.0.2.1:465", "host.timeout"),
    ("smtp", "[Errno 113] No route to host", "host.unreachable"),
    ("imap", "Hostname/IP does not match certificate's altnames", "tls.wrong-name"),
    ("imap", "certificate has expired", "tls.expired"),
    ("imap", "self-signed certificate in certificate chain", "tls.untrusted"),
    ("smtp", "[SSL: WRONG_VERSION_NUMBER] wrong version number", "tls.wrong-mode"),
    ("smtp", "read ECONNRESET", "connection.closed"),
)


@pytest.mark.parametrize(("protocol", "answer", "code"), GUESSED)
def test_an_answer_alone_is_enough(protocol: Protocol, answer: str, code: str) -> None:
    assert explain(protocol, answer).code == code


def test_a_refused_token_is_no_wrong_password() -> None:
    for protocol, answer in (
        ("imap", "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"),
        ("imap", "NO AUTHENTICATE failed."),
        ("smtp", "535 5.7.3 Authentication unsuccessful"),
    ):
        assert (
            explain("imap" if protocol == "imap" else "smtp", answer, with_token=True).code == "grant.invalid"
        )


def test_an_inbox_that_worked_asks_for_its_new_password_at_exchange_too() -> None:
    assert explain("imap", "NO AUTHENTICATE failed.", connected_before=True).code == "credentials.changed"


def _code(found: Diagnosis | None) -> str:
    return found.code if found else ""
