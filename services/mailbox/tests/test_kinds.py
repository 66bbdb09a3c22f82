"""Replies, automatic replies, bounces and the rest are told apart. The mails are written after real formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import pytest
from heraldry.mailbox.domain.kinds import Classification, classify
from hypothesis import example, given, settings
from hypothesis import strategies as st

OURS = "<0191d7a0-0000-7000-8000-000000000001@us.example>"
ORIGINAL = (
    f"From: Ada <ada@us.example>\nTo: Bob <bob@lead.example>\nSubject: Offer\nMessage-ID: {OURS}\n"
    "X-Heraldry-Attempt: 0191d7a0-0000-7000-8000-000000000001\n\nHello Bob\n"
)
THREAD = f"In-Reply-To: {OURS}\nReferences: {OURS}"
DAEMON = "Mail Delivery System <MAILER-DAEMON@mx.relay.example>"
NULL = "Return-Path: <>"


def mail(
    subject: str, text: str, *, sender: str = "Bob <bob@lead.example>", head: str = "", body: str = ""
) -> bytes:
    """A mail to us; with `body` its content is that, else the text."""
    lines = [
        f"From: {sender}",
        "To: Ada <ada@us.example>",
        f"Subject: {subject}",
        "Message-ID: <m@x.example>",
    ]
    if head:
        lines.append(head)
    if not body:
        lines.append("Content-Type: text/plain; charset=utf-8")
    content = body or f"\n{text}"
    return "\n".join([*lines, "MIME-Version: 1.0", content]).replace("\n", "\r\n").encode()


def multipart(kind: str, *pieces: tuple[str, str], parameters: str = "") -> str:
    joined = "".join(f"--sep\nContent-Type: {each}\n\n{content}\n" for each, content in pieces)
    return f'Content-Type: multipart/{kind};{parameters} boundary="sep"\n\n{joined}--sep--\n'


def report(*groups: str, text: str = "Sorry.", original: str = ORIGINAL, kind: str = "message/rfc822") -> str:
    fields = "\n\n".join(("Reporting-MTA: dns; mx.relay.example", *groups)) + "\n"
    return multipart(
        "report",
        ("text/plain; charset=utf-8", text),
        ("message/delivery-status", fields),
        (kind, original),
        parameters=" report-type=delivery-status;",
    )


def of(action: str, status: str, words: str = "", address: str = "bob@lead.example", more: str = "") -> str:
    diagnostic = f"\nDiagnostic-Code: smtp; {words}" if words else ""
    state = f"\nStatus: {status}" if status else ""
    return f"Final-Recipient: rfc822; {address}{more}\nAction: {action}{state}{diagnostic}"


def dsn(*groups: str, text: str = "Sorry.") -> bytes:
    return mail(
        "Undelivered Mail Returned to Sender", "", sender=DAEMON, head=NULL, body=report(*groups, text=text)
    )


@dataclass(frozen=True)
class Sample:
    name: str
    raw: bytes
    kind: str
    recipients: tuple[tuple[str, bool, str, str], ...] = field(default=())  # address, hard, category, status


def bob(*, hard: bool, category: str, status: str = "") -> tuple[tuple[str, bool, str, str], ...]:
    return (("bob@lead.example", hard, category, status),)


def standard(
    status: str, words: str, category: str, *, hard: bool, action: str = "failed", said: str | None = None
) -> Sample:
    kind = {"failed": "bounce", "delayed": "delayed"}.get(action, "other")
    expected = bob(hard=hard, category=category, status=status if said is None else said)
    return Sample(f"report {action} {status} {words[:30]}", dsn(of(action, status, words)), kind, expected)


REPORTS = (
    standard("5.1.1", "550 5.1.1 <bob@lead.example>: Recipient address rejected: User unknown", "unknown-address", hard=True),
    standard("5.1.2", "550 5.1.2 bad destination system address", "domain-unknown", hard=True),
    standard("5.1.3", "501 5.1.3 Bad recipient address syntax", "unknown-address", hard=True),
    standard("5.1.6", "550 5.1.6 Recipient no longer on server", "unknown-address", hard=True),
    standard("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", "unknown-address", hard=True),
    standard("5.2.1", "550 5.2.1 The email account that you tried to reach is disabled.", "mailbox-disabled", hard=True),
    standard("5.2.1", "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional "
             "messages from being delivered.", "temporary", hard=False),
    standard("5.2.2", "552 5.2.2 The email account that you tried to reach is over quota.", "mailbox-full", hard=False),
    standard("5.2.3", "552 5.2.3 Message exceeds local size limit", "too-large", hard=False),
    standard("5.3.4", "552 5.3.4 Message size exceeds fixed limit", "too-large", hard=False),
    standard("5.4.4", "[internal] Host or domain name not found. Name service error for name=lead.example type=AAAA: Host not found",
             "domain-unknown", hard=True),
    standard("4.4.3", "[internal] Host or domain name not found. Name service error: Host not found, try again", "temporary",
             hard=False),
    standard("5.4.310", "550 5.4.310 DNS domain lead.example does not exist", "domain-unknown", hard=True),
    standard("5.4.1", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "unknown-address", hard=True),
    standard("5.4.5", "550 5.4.5 Daily user sending limit exceeded. For more information visit", "quota-of-sender", hard=False),
    standard("5.4.7", "421 4.4.1 connection timed out; delivery time expired", "temporary", hard=False),
    standard("5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable", "unknown-address", hard=True),
    standard("5.7.1", "550 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org",
             "blocked-reputation", hard=False),
    standard("5.7.1", "550 5.7.1 Message rejected as spam by content filtering", "blocked-content", hard=False),
    standard("5.7.1", "554 5.7.1 <bob@lead.example>: Relay access denied", "relaying", hard=False),
    standard("5.7.26", "550 5.7.26 This mail is unauthenticated: SPF and DKIM did not pass", "policy", hard=False),
    standard("5.7.133", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", "policy", hard=False),
    standard("5.7.606", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]", "blocked-reputation", hard=False),
    standard("5.1.8", "550 5.1.8 Access denied, bad outbound sender", "blocked-reputation", hard=False),
    standard("5.1.1", "550 5.1.1 rejected: 192.0.2.1 is listed at bl.spamcop.net", "blocked-reputation", hard=False),
    standard("5.1.1", "550 mailbox is full, over quota", "mailbox-full", hard=False),
    standard("5.0.0", "550 5.1.1 no such user here", "unknown-address", hard=True, said="5.1.1"),
    standard("", "550-5.2.2 mailbox full", "mailbox-full", hard=False, said="5.2.2"),
    standard("5.0.0", "550 Unknown user", "unknown-address", hard=True),
    standard("5.0.0", "554 delivery error: This user doesn't have a yahoo.example account", "unknown-address", hard=True),
    standard("5.0.0", "554 computer says no", "other", hard=False),
    standard("5.1.0", "553 5.1.0 sender rejected: domain of sender does not resolve", "policy", hard=False),
    standard("4.4.7", "421 4.4.0 Remote server response was not RFC conformant", "temporary", hard=False),
    standard("4.1.1", "450 4.1.1 <bob@lead.example>: Recipient address rejected: unverified address", "temporary", hard=False),
    standard("4.2.2", "452 4.2.2 The recipient's inbox is out of storage space.", "mailbox-full", hard=False),
    standard("4.2.1", "450 4.2.1 receiving mail too quickly", "temporary", hard=False, action="delayed"),
    standard("4.7.1", "451 4.7.1 Greylisted, please try again in 300 seconds", "temporary", hard=False, action="delayed"),
    standard("2.0.0", "250 2.0.0 Ok", "delivered", hard=False, action="delivered"),
    standard("2.6.0", "250 2.6.0 queued", "delivered", hard=False, action="relayed"),
    standard("2.0.0", "", "delivered", hard=False, action="expanded"),
    Sample("a reason only in the text", dsn(of("failed", "5.0.0"), text="bob@lead.example\n  unknown user\n"), "bounce",
           bob(hard=True, category="unknown-address", status="5.0.0")),
    Sample("several recipients", dsn(
        of("failed", "5.1.1", "550 5.1.1 user unknown", "a@lead.example"),
        of("failed", "5.2.2", "552 5.2.2 mailbox full", "b@lead.example"),
        of("delayed", "4.4.1", "connection timed out", "c@lead.example"),
        of("delivered", "2.1.5", "", "d@lead.example")), "bounce",
        (("a@lead.example", True, "unknown-address", "5.1.1"), ("b@lead.example", False, "mailbox-full", "5.2.2"),
         ("c@lead.example", False, "temporary", "4.4.1"), ("d@lead.example", False, "delivered", "2.1.5"))),
    Sample("the address that was written to, not the one it was forwarded to",
           dsn(of("failed", "5.1.1", "550 5.1.1 no", "away@far.example", "\nOriginal-Recipient: rfc822;bob@lead.example")),
           "bounce", bob(hard=True, category="unknown-address", status="5.1.1")),
    Sample("an alias and what it stands for",
           dsn(of("failed", "5.1.1", "550 5.1.1 no", more="\nX-Actual-Recipient: rfc822; b.smith@int.lead.example")),
           "bounce", bob(hard=True, category="unknown-address", status="5.1.1")),
)  # fmt: skip

QMAIL = (
    "Hi. This is the qmail-send program at lead.example.\nI'm afraid I wasn't able to deliver your message to the following "
    "addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<bob@lead.example>:\n{reason}\n\n"
    "--- Below this line is a copy of the message.\n\nReturn-Path: <ada@us.example>\n" + ORIGINAL
)
EXIM = (
    "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to "
    "one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  bob@lead.example\n"
    "    {reason}\n\n------ This is a copy of the message, including all the headers. ------\n\n" + ORIGINAL
)
FAILED = "X-Failed-Recipients: bob@lead.example"
EXCHANGE = (
    "Delivery has failed to these recipients or groups:\n\nBob (bob@lead.example)\nThe email address you entered couldn't be "
    "found.\n\nDiagnostic information for administrators:\n\nGenerating server: EX1.lead.example\n\nbob@lead.example\n"
    "#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nOriginal message headers:\n\n" + ORIGINAL
)
OLD_EXCHANGE = (
    "Your message did not reach some or all of the intended recipients.\n\n      Subject:\tOffer\n      Sent:\t1/2/2026\n\n"
    "The following recipient(s) could not be reached:\n\n      'bob@lead.example' on 1/2/2026 10:00 AM\n            The e-mail "
    "account does not exist at the organization this message was sent to.\n            <mx.lead.example #5.1.1>\n"
)
UNKNOWN = bob(hard=True, category="unknown-address")
UNKNOWN_511 = bob(hard=True, category="unknown-address", status="5.1.1")


def told(
    name: str, subject: str, text: str, expected: tuple[tuple[str, bool, str, str], ...] = UNKNOWN
) -> Sample:
    """A bounce in a language, without a report, from a daemon with an empty return path."""
    return Sample(name, mail(subject, text, sender=DAEMON, head=NULL), "bounce", expected)


TOLD = (
    Sample("qmail", mail("failure notice", QMAIL.format(reason="Sorry, no mailbox here by that name. (#5.1.1)"),
                         sender="MAILER-DAEMON@lead.example", head=NULL), "bounce", UNKNOWN_511),
    Sample("qmail, full", mail("failure notice", QMAIL.format(reason="Remote host said: 552 5.2.2 Mailbox full"),
                               sender="MAILER-DAEMON@lead.example"), "bounce",
           bob(hard=False, category="mailbox-full", status="5.2.2")),
    Sample("qmail, domain", mail("failure notice", QMAIL.format(
        reason="Sorry, I couldn't find any host named lead.example. (#5.1.2)"), sender="MAILER-DAEMON@x.example"),
        "bounce", bob(hard=True, category="domain-unknown", status="5.1.2")),
    Sample("exim", mail("Mail delivery failed: returning message to sender", EXIM.format(reason="Unrouteable address"),
                        sender=DAEMON, head=f"{NULL}\n{FAILED}\nAuto-Submitted: auto-replied"), "bounce", UNKNOWN),
    Sample("exim, retry timeout", mail("Mail delivery failed: returning message to sender", EXIM.format(
        reason="retry timeout exceeded"), sender=DAEMON, head=FAILED), "bounce",
        bob(hard=False, category="temporary")),
    Sample("exim, quota of our own", mail("Mail delivery failed: returning message to sender", EXIM.format(
        reason="Domain us.example has exceeded the max emails per hour (150/100 (150%)) allowed. Message discarded."),
        sender=DAEMON, head=FAILED), "bounce", bob(hard=False, category="quota-of-sender")),
    Sample("exim, delayed", mail("Warning: message 1abCde-000001-Aa delayed 24 hours",
        "This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered "
        "to one or more of its\nrecipients after more than 24 hours on the queue.\n\nThe address to which the message has not "
        "yet been delivered is:\n\n  bob@lead.example\n\nNo action is required on your part. Delivery attempts will continue "
        "for\nsome time.", sender=DAEMON, head=NULL), "delayed", bob(hard=False, category="temporary")),
    Sample("sendmail, warning only", mail("Warning: could not send message for past 4 hours",
        "   **********************************************\n   **      THIS IS A WARNING MESSAGE ONLY      **\n"
        "   **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n\n<bob@lead.example>... Deferred: Connection timed out",
        sender=DAEMON, head=NULL), "delayed", bob(hard=False, category="temporary")),
    Sample("postfix, text only", mail("Undelivered Mail Returned to Sender",
        "This is the mail system at host mx.relay.example.\n\nI'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients.\n\nFor further assistance, please send mail to postmaster.\n\n"
        "<bob@lead.example>: host mx.lead.example[192.0.2.9] said: 550 5.1.1 User unknown\n    (in reply to RCPT TO command)",
        sender=DAEMON, head=NULL), "bounce", UNKNOWN_511),
    Sample("exchange", mail("Undeliverable: Offer", EXCHANGE, head=NULL,
        sender="Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@lead.example>"), "bounce", UNKNOWN_511),
    Sample("old exchange", mail("Undeliverable: Offer", OLD_EXCHANGE, sender="System Administrator <postmaster@lead.example>"),
           "bounce", UNKNOWN_511),
    Sample("gmail of old", mail("Delivery Status Notification (Failure)",
        "Delivery to the following recipient failed permanently:\n\n     bob@lead.example\n\nTechnical details of permanent "
        "failure:\nGoogle tried to deliver your message, but it was rejected by the server. The error that the other server "
        "returned was:\n550 550 5.1.1 No such user (state 14).\n\n----- Original message -----\n\n" + ORIGINAL,
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.example>", head=f"{NULL}\n{FAILED}"), "bounce", UNKNOWN_511),
    Sample("yahoo", mail("Failure Notice",
        "Sorry, we were unable to deliver your message to the following address.\n\n<bob@lead.example>:\nRemote host said:\n"
        "550 5.2.2 user over quota\n [RCPT_TO]\n\n--- Below this line is a copy of the message.\n", sender="MAILER-DAEMON@y.example"),
        "bounce", bob(hard=False, category="mailbox-full", status="5.2.2")),
    Sample("a report's fields in the text", mail("Delivery failed",
        "Technical report:\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; bob@lead.example\nAction: failed\n"
        "Status: 5.1.1\n", sender="postmaster@lead.example", head=NULL), "bounce", UNKNOWN_511),
    Sample("the recipient only in the mail that comes back", mail("Undeliverable", "", sender="postmaster@lead.example", head=NULL,
        body=multipart("mixed", ("text/plain", "Your message could not be delivered: the mailbox is full."),
                       ("message/rfc822", ORIGINAL))), "bounce", bob(hard=False, category="mailbox-full")),
    told("gmx", "Mail delivery failed: returning message to sender",
         "This message was created automatically by mail delivery software.\n\nThe following address failed:\n\nbob@lead.example:\n"
         "SMTP error from remote server for RCPT TO command, host: mx.lead.example (192.0.2.9) reason: 550 Requested action not "
         "taken: mailbox unavailable"),
    told("german", "Unzustellbar: Angebot", "Ihre Nachricht konnte nicht zugestellt werden:\n\nbob@lead.example\nDer Empfänger ist "
         "unbekannt."),
    told("german, full", "Fehler bei der Zustellung Ihrer Nachricht", "Die E-Mail an folgende Adresse konnte nicht zugestellt werden:"
         "\n\nbob@lead.example\nDas Postfach des Empfängers ist voll.", bob(hard=False, category="mailbox-full")),
    told("french", "Échec de la remise : Offre", "Votre message n'a pas pu être remis aux destinataires suivants :\n\n"
         "bob@lead.example\nL'adresse n'existe pas."),
    told("spanish", "No se puede entregar: Oferta", "No se pudo entregar el mensaje a:\n\nbob@lead.example\nEl destinatario no existe."),
    told("italian", "Mancata consegna: Offerta", "Impossibile recapitare il messaggio a:\n\nbob@lead.example\nIl destinatario è "
         "sconosciuto."),
    told("dutch", "Onbestelbaar: Aanbod", "Uw bericht kan niet worden bezorgd bij:\n\nbob@lead.example\nHet e-mailadres bestaat niet."),
    told("polish", "Nie można dostarczyć: Oferta", "Wiadomość nie została dostarczona do:\n\nbob@lead.example\nAdres nie istnieje."),
    told("portuguese", "Falha na entrega: Oferta", "Não foi possível entregar a mensagem para:\n\nbob@lead.example\nO destinatário "
         "não existe."),
    told("japanese", "配信不能: 提案", "次の宛先にメッセージを配信できませんでした。\n\nbob@lead.example\n宛先のアドレスが存在しません。"),
    told("swedish", "Kunde inte leverera: Erbjudande", "Meddelandet kunde inte levereras till:\n\nbob@lead.example\nAdressen finns inte."),
    told("russian", "Недоставленное сообщение", "Письмо не доставлено:\n\nbob@lead.example\nПолучатель не найден."),
    told("chinese", "退信通知", "您的邮件无法投递:\n\nbob@lead.example\n该用户不存在"),
)  # fmt: skip


def automatic(name: str, subject: str, head: str = "", text: str = "I am away.", sender: str = "") -> Sample:
    return Sample(
        name, mail(subject, text, head=head, sender=sender or "Bob <bob@lead.example>"), "auto_reply"
    )


RECEIPT = multipart(
    "report",
    ("text/plain", "The message was displayed."),
    (
        "message/disposition-notification",
        f"Final-Recipient: rfc822; bob@lead.example\nOriginal-Message-ID: {OURS}\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n",
    ),
    parameters=" report-type=disposition-notification;",
)
CHALLENGE = (
    "Your message has not been delivered yet. I use an anti-spam service: to be added to my approved senders,\n"
    "please click https://check.example/1 once."
)
SUBJECTS = (
    "Automatic reply: Offer", "Auto-Reply: Offer", "Out of Office: Offer", "Out of office AutoReply: Offer", "AUTO: Bob is away",
    "[Auto-Reply] Offer", "Automatische Antwort: Angebot", "Abwesenheitsnotiz: Angebot", "Abwesend: Angebot",
    "Automatische Abwesenheitsnotiz", "Nicht im Büro: Angebot", "Réponse automatique : Offre", "Absence du bureau : Offre",
    "Respuesta automática: Oferta", "Fuera de la oficina: Oferta", "Risposta automatica: Offerta", "Fuori ufficio: Offerta",
    "Automatisch antwoord: Aanbod", "Afwezigheidsbericht: Aanbod", "Odpowiedź automatyczna: Oferta", "Autoodpowiedź: Oferta",
    "Resposta automática: Oferta", "Ausência: Oferta", "Autosvar: Tilbud", "Automatisk svar: Tilbud", "Automatiskt svar: Erbjudande",
    "Automaattinen vastaus: Tarjous", "Automatická odpověď: Nabídka", "Automatikus válasz: Ajánlat", "Otomatik yanıt: Teklif",
    "Автоматический ответ: Предложение", "Αυτόματη απάντηση: Προσφορά", "自動応答: 提案", "自動返信: 提案", "自动回复: 提案",
    "자동 회신: 제안", "Răspuns automat: Ofertă", "Urlaub bis 5. Mai", "Away until May 5",
)  # fmt: skip
AUTOMATIC: tuple[Sample, ...] = (
    automatic("RFC 3834", "Re: Offer", "Auto-Submitted: auto-replied"),
    automatic("RFC 3834 with parameters", "Away", "Auto-Submitted: auto-replied (vacation); owner-email=b@x"),
    automatic("exchange", "Automatic reply: Offer", f"Auto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\n{THREAD}"),
    automatic("a ticket system", "[#12] We have received your request", f"Auto-Submitted: auto-generated\n{THREAD}"),
    automatic("X-Autoreply", "Re: Offer", "X-Autoreply: yes"),
    automatic("X-Autorespond", "Re: Offer", f"X-Autorespond: Offer\n{THREAD}"),
    automatic("Precedence", "Re: Offer", "Precedence: auto_reply"),
    automatic("vacation(1)", "Re: Offer", f"Precedence: bulk\n{THREAD}"),
    automatic("an empty return path", "Re: Offer", f"{NULL}\n{THREAD}"),
    automatic("noreply", "Thank you", THREAD, sender="noreply@lead.example"),
    automatic("an absence note that names a failure", "Automatic reply: Undelivered Mail", NULL),
    automatic("an absence note that names another address", "Re: Offer", f"{NULL}\nAuto-Submitted: auto-replied",
              "I am away, so your message could not be delivered to me.\nPlease write to the following address:\neve@lead.example"),
    automatic("challenge", "Please confirm your message to bob@lead.example", text=CHALLENGE),
    automatic("challenge of a service", "Verify yourself", text=CHALLENGE, sender="bob <x@spamarrest.com>"),
    Sample("a receipt", mail("Read: Offer", "", body=RECEIPT), "auto_reply"),
    *(automatic(f"subject: {subject}", subject, THREAD) for subject in SUBJECTS),
)  # fmt: skip

ARF = multipart(
    "report",
    ("text/plain", "This is an email abuse report."),
    (
        "message/feedback-report",
        "Feedback-Type: abuse\nUser-Agent: X/1\nVersion: 1\nOriginal-Rcpt-To: <bob@lead.example>\n",
    ),
    ("message/rfc822", ORIGINAL),
    parameters=" report-type=feedback-report;",
)
BOUNCE = report(of("failed", "5.1.1", "550 5.1.1 no such user"))
QUOTED = "\n".join(f"> {line}" for line in EXIM.format(reason="550 5.1.1 User unknown").splitlines())
FORWARDED = multipart(
    "mixed",
    ("text/plain", "Look, this came back."),
    ("message/rfc822", f"From: {DAEMON}\nSubject: x\n{BOUNCE}"),
)
INLINE = multipart(
    "mixed",
    ("text/plain", "Begin forwarded message:\n\n> Undelivered"),
    ("message/delivery-status", f"Reporting-MTA: dns; x\n\n{of('failed', '5.1.1')}\n"),
)
PERSONS = (
    Sample("a reply", mail("Re: Offer", "Gladly.", head=THREAD), "reply"),
    Sample("a reply whose program sets no header", mail("AW: Angebot", "Gerne."), "reply"),
    Sample("a reply without a subject", mail("", "Gladly.\n\nOn Mon, Ada wrote:\n> Hello Bob"), "reply"),
    Sample("a reply to an absence note", mail("RE: Automatic reply: Offer", "I am back.", head=THREAD), "reply"),
    Sample("a reply that quotes a bounce", mail("Re: Mail delivery failed", f"Use my other address.\n\n{QUOTED}", head=THREAD),
           "reply"),
    Sample("a reply that tells of a bounce", mail("Re: Offer", "Delivery failed: my mailbox was full, user unknown, 550 5.1.1.",
                                                  head=THREAD), "reply"),
    Sample("a postmaster in person", mail("Re: Undeliverable: Offer", "I am the admin; Bob has left.", head=THREAD,
                                          sender="Eve <postmaster@lead.example>"), "reply"),
    Sample("a postmaster in person who tells of a bounce", mail("Re: Offer", "Your message could not be delivered: user unknown.\n"
           "eve@lead.example is right.", head=THREAD, sender="Eve <postmaster@lead.example>"), "reply"),
    Sample("a small company's only address", mail("Re: Offer", "Delivery failed, user unknown:\nbob@lead.example", head=THREAD,
           sender="mail@lead.example"), "reply"),
    Sample("a reply of somebody on leave", mail("Re: Offer", "I am out of office until Monday, let us talk then.", head=THREAD), "reply"),
    Sample("a reply through a list", mail("Re: Offer", "Gladly.", head=f"List-Id: <sales.us.example>\nPrecedence: list\n{THREAD}"),
           "reply"),
    Sample("a reply that suppresses automatic ones", mail("Re: Offer", "Gladly.", head=f"X-Auto-Response-Suppress: All\n{THREAD}"),
           "reply"),
    Sample("a bounce that a colleague forwards", mail("Fwd: Undelivered Mail Returned to Sender", "", body=FORWARDED), "other"),
    Sample("a bounce that a colleague forwards in line", mail("WG: Undelivered Mail", "", body=INLINE), "other"),
    Sample("a bounce that a colleague attaches to a reply", mail("Re: Offer", "", head=THREAD, body=FORWARDED), "reply"),
)  # fmt: skip
OTHERS = (
    Sample("a newsletter", mail("News", "Buy!", head="List-Unsubscribe: <https://x.example/u>\nPrecedence: bulk"), "other"),
    Sample("a notification", mail("Your invoice", "See there.", head="Auto-Submitted: auto-generated"), "other"),
    Sample("a parcel", mail("Delivery failed: your parcel", "We could not deliver your parcel.", sender="noreply@parcels.example"),
           "other"),
    Sample("a person out of the blue", mail("Hello", "Do you sell this?"), "other"),
    Sample("our own copy", mail("Offer", "Hello", head="X-Heraldry-Attempt: 0191d7a0-0000-7000-8000-000000000001"), "other"),
    Sample("a report of success in words", mail("Delivery Status Notification (Relay)", "Your message was successfully relayed.",
                                                sender=DAEMON, head=NULL), "other"),
    Sample("a complaint", mail("complaint", "", sender="feedback@isp.example", body=ARF), "feedback",
           bob(hard=False, category="complaint")),
)  # fmt: skip
SAMPLES = (*REPORTS, *TOLD, *AUTOMATIC, *PERSONS, *OTHERS)


def seen(found: Classification) -> tuple[tuple[str, bool, str, str], ...]:
    return tuple((each.address, each.hard, each.category, each.status) for each in found.recipients)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_mail_is_told_apart(sample: Sample) -> None:
    found = classify(sample.raw)
    assert (found.kind, seen(found)) == (sample.kind, sample.recipients)
    assert found.reasons


@pytest.mark.parametrize("sample", [*REPORTS, *TOLD], ids=lambda sample: sample.name)
def test_a_bounce_is_about_a_mail_of_ours(sample: Sample) -> None:
    if ORIGINAL.replace("\n", "\r\n").encode() in sample.raw:
        found = classify(sample.raw)
        assert found.about[0] == OURS
        assert found.original.attempt == "0191d7a0-0000-7000-8000-000000000001"


def test_the_header_alone_names_the_original() -> None:
    body = report(
        of("failed", "5.1.1"), original=ORIGINAL.partition("\n\n")[0] + "\n", kind="text/rfc822-headers"
    )
    assert classify(mail("x", "", sender=DAEMON, head=NULL, body=body)).about == (OURS,)


@pytest.mark.parametrize("above", ["--- Kopie ---", "Details:", ""])
@pytest.mark.parametrize("around", ["<{}>", "{}"])
@given(attempt=st.uuids())
@example(attempt=UUID("fca48534-a425-44c5-871e-8b297ad0150d"))
@example(attempt=UUID("fca48534-45c5-a452-871e-8b297ad0150d"))
def test_no_digits_of_an_id_pass_for_an_answer(above: str, around: str, attempt: UUID) -> None:
    """A mail that came back for good does so whatever its Message-ID, also where a notice cites that."""
    cited = around.format(f"{attempt}@us.example")
    words = (
        "Ihre Nachricht konnte nicht zugestellt werden:\n\nbob@lead.example\nDer Empfänger ist unbekannt.\n\n"
        f"{above}\n\nSubject: Angebot\nMessage-ID: {cited}\n"
    )
    found = classify(mail("Unzustellbar: Angebot", words, sender=DAEMON, head=NULL))
    assert (found.kind, seen(found)) == ("bounce", (("bob@lead.example", True, "unknown-address", ""),))


OUR_SUBJECTS = (
    "Bob, is this account closed?",
    "No longer at Siemens?",
    "Your user does not exist yet",
    "A successful launch",
    "No more delayed invoices",
    "Vertraging?",
    "421 new customers",
    "How 450 firms doubled sales",
    "Spam-free outreach",
    "Is your mailbox full?",
)
OF_NO_REASON = "Your message\n\n  Subject: {}\n\nwas not delivered to:\n\n  bob@lead.example\n\nbecause:\n\n  It ended.\n"
FOR_GOOD = OF_NO_REASON.replace("It ended", "No such user")


@pytest.mark.parametrize("subject", OUR_SUBJECTS)
@pytest.mark.parametrize("before", ["Undeliverable", "Unzustellbar", "Échec de la remise ", "配信不能"])
def test_the_subject_of_our_own_mail_decides_nothing(before: str, subject: str) -> None:
    for text, hard, category in ((OF_NO_REASON, False, "other"), (FOR_GOOD, True, "unknown-address")):
        for raw in (
            mail(f"{before}: {subject}", text.format(subject), sender=DAEMON, head=NULL),
            dsn(of("failed", "5.0.0", "554 computer says no"), text=text.format(subject)),
        ):
            found = classify(raw)
            ((address, *verdict, _),) = seen(found)
            assert (found.kind, address, verdict) == ("bounce", "bob@lead.example", [hard, category])


def test_a_receipt_and_a_complaint_say_what_they_are() -> None:
    assert classify(mail("Read", "", body=RECEIPT)).detail == "displayed"
    assert classify(mail("Read", "", body=RECEIPT)).about == (OURS,)
    assert classify(mail("c", "", body=ARF)).detail == "abuse"


def test_the_address_it_was_forwarded_to_is_told_too() -> None:
    group = of(
        "failed", "5.1.1", "550 no", "away@far.example", "\nOriginal-Recipient: rfc822;bob@lead.example"
    )
    (found,) = classify(dsn(group)).recipients
    assert (found.address, found.final, found.action) == ("bob@lead.example", "away@far.example", "failed")


def test_a_report_with_a_broken_boundary_is_understood() -> None:
    raw = dsn(of("failed", "5.1.1", "550 5.1.1 no such user")).replace(b'boundary="sep"', b'boundary="cut"')
    found = classify(raw)
    assert (found.kind, seen(found)) == ("bounce", UNKNOWN_511)


@given(
    st.sampled_from([*REPORTS, *TOLD]),
    st.text(st.characters(codec="ascii", categories=["L", "Nd"]), min_size=1, max_size=40),
)
@settings(max_examples=200, deadline=None)
def test_a_reply_around_any_report_stays_a_reply(sample: Sample, own: str) -> None:
    text = sample.raw.decode()
    quoted = "\r\n".join(f"> {line}" for line in text.splitlines())
    attached = multipart("mixed", ("text/plain", own), ("message/rfc822", text))
    for raw in (
        mail("Re: Offer", f"{own}\n\nOn Mon, Ada wrote:\n{quoted}", head=THREAD),
        mail("Re: Offer", f"{own}\n{text}", head=THREAD),
        mail("Re: Offer", "", head=THREAD, body=attached),
    ):
        found = classify(raw)
        assert (found.kind, found.recipients) == ("reply", ())


@given(st.binary(max_size=3_000))
@settings(deadline=None)
def test_any_bytes_are_of_one_kind(raw: bytes) -> None:
    assert classify(raw).kind


@given(st.sampled_from(SAMPLES), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_mail_is_of_one_kind(sample: Sample, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(sample.raw)))
    end = data.draw(st.integers(begin, len(sample.raw)))
    damaged = sample.raw[:begin] + data.draw(st.binary(max_size=20)) + sample.raw[end:]
    assert classify(damaged).reasons
