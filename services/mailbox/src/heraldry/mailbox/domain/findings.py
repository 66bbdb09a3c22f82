"""What each stable code of a diagnosis tells a person. Codes are never renamed, words may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["person", "administrator", "operator", "transient"]


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    cause: str
    resolution: str


_WAIT = "Nothing needs to be done: it is tried again by itself, with growing pauses."

FINDINGS: dict[str, Finding] = {
    # --- credentials
    "credentials.invalid": Finding(
        "person",
        "The mail server does not accept this user name and password.",
        "Check both. If two-step verification is on, create an app password at your provider and enter it "
        "here instead of your usual password.",
    ),
    "credentials.app-password-needed": Finding(
        "person",
        "Two-step verification is on for this account, so the usual password is not accepted here.",
        "Create an app password in your provider's security settings and enter it instead.",
    ),
    "credentials.changed": Finding(
        "person",
        "The password that worked before is no longer accepted: it was changed, or the app password was "
        "revoked.",
        "Reconnect this inbox with the new password or a new app password.",
    ),
    "credentials.expired": Finding(
        "person",
        "The password of this account has expired.",
        "Sign in to your mailbox in the browser, set a new password, and reconnect this inbox with it.",
    ),
    # --- signing in
    "login.web-required": Finding(
        "person",
        "The provider wants you to sign in to this mailbox in a web browser once.",
        "Sign in to the mailbox in your browser, confirm what is asked there, then connect again here.",
    ),
    "login.needed": Finding(
        "person",
        "The SMTP server wants a sign-in that it did not offer us in this form.",
        "Check the SMTP port: 587 with STARTTLS (recommended) or 465 with TLS.",
    ),
    "login.no-method": Finding(
        "administrator",
        "The mail server offers no way to sign in with a password.",
        "Ask your administrator to allow password sign-in for this mailbox, or connect it with your "
        "provider's own sign-in.",
    ),
    "login.refused": Finding(
        "person",
        "The mail server refused the sign-in without saying why.",
        "Check user name and password, and whether IMAP and SMTP are switched on in the mailbox's settings; "
        "if both are right, show the server's words to your administrator.",
    ),
    "too-many-attempts": Finding(
        "transient",
        "There were too many sign-in attempts; the provider refuses further ones for a while.",
        "Wait at least 15 minutes. Then check the password before you try again, since every wrong one "
        "counts.",
    ),
    "connections.too-many": Finding(
        "transient",
        "Too many programs are connected to this mailbox at the same time.",
        _WAIT + " Closing other mail programs helps.",
    ),
    # --- host and port
    "host.unknown": Finding(
        "person",
        "There is no server with this name.",
        "Check the host name for typing mistakes; your provider's help pages list the right one.",
    ),
    "host.private-address": Finding(
        "operator",
        "This host name leads into a private network, which this installation does not connect to.",
        "Use the mail server's public name. Whoever runs this installation can allow private addresses.",
    ),
    "host.refused": Finding(
        "person",
        "The server is there, but nothing answers at this port.",
        "Check the port: IMAP 993 with TLS (recommended) or 143 with STARTTLS; SMTP 587 with STARTTLS "
        "(recommended) or 465 with TLS.",
    ),
    "host.refuses": Finding(
        "administrator",
        "The mail server turns our connection away.",
        "Ask your mail administrator whether connections from this installation's address are blocked.",
    ),
    "host.unreachable": Finding(
        "person",
        "The server cannot be reached: host or port is wrong, or a firewall is in the way.",
        "Check host and port. If they are right, ask your mail administrator whether a firewall blocks them.",
    ),
    "host.timeout": Finding(
        "person",
        "The server does not answer at this port: host or port is wrong, or a firewall is in the way.",
        "Check host and port. If they are right, ask your mail administrator whether a firewall blocks them.",
    ),
    "host.not-mail": Finding(
        "person",
        "What answers at this host and port does not speak the mail protocol.",
        "Check host and port, and that IMAP and SMTP are not exchanged.",
    ),
    "network.failed": Finding(
        "transient",
        "The mail server cannot be reached at the moment.",
        _WAIT,
    ),
    "network.no-resolver": Finding(
        "transient",
        "The name of the mail server cannot be looked up at the moment.",
        _WAIT,
    ),
    "connection.closed": Finding(
        "transient",
        "The mail server closed the connection without an answer.",
        _WAIT,
    ),
    # --- TLS
    "tls.wrong-name": Finding(
        "person",
        "The server's certificate belongs to another name, so it may not be the server you mean.",
        "Use the host name that your provider gives for IMAP and SMTP.",
    ),
    "tls.expired": Finding(
        "administrator",
        "The mail server's certificate is out of date.",
        "Ask the administrator of the mail server to renew it.",
    ),
    "tls.untrusted": Finding(
        "administrator",
        "The mail server's certificate comes from nobody we trust (it may be self-signed).",
        "Ask the administrator of the mail server for a certificate of a public authority.",
    ),
    "tls.wrong-mode": Finding(
        "person",
        "Port and encryption do not fit together.",
        "Choose TLS for 993 and 465, STARTTLS for 143 and 587.",
    ),
    "tls.no-starttls": Finding(
        "person",
        "The server offers no encryption at this port, and nothing is sent without it.",
        "Use IMAP 993 and SMTP 465 with TLS.",
    ),
    "tls.required": Finding(
        "person",
        "The server wants an encrypted connection.",
        "Choose TLS for 993 and 465, STARTTLS for 143 and 587.",
    ),
    "tls.failed": Finding(
        "administrator",
        "No encrypted connection could be agreed with the mail server.",
        "Ask the administrator of the mail server whether it offers TLS 1.2 or newer.",
    ),
    # --- one of both, or nothing to read
    "smtp.failed-imap-works": Finding(
        "person",
        "Reading (IMAP) works, sending (SMTP) does not.",
        "Check SMTP host and port (587 with STARTTLS, or 465 with TLS), and whether your provider allows "
        "sending by SMTP for this mailbox or wants a separate password for it.",
    ),
    "inbox.unreadable": Finding(
        "administrator",
        "The sign-in worked, but there is no inbox to read.",
        "Switch on IMAP in the mailbox's settings, or ask your administrator to allow it; check that the "
        "account has a mailbox at all.",
    ),
    "inbox.empty": Finding(
        "person",
        "The inbox is connected and holds no message.",
        "If that surprises you, check that this is the right mailbox, and that no rule moves new mail "
        "elsewhere: only what stays in the inbox is read.",
    ),
    "folder.refused": Finding(
        "transient",
        "The mail server refused to open or change a folder of the mailbox.",
        _WAIT,
    ),
    # --- policies
    "policy.blocked": Finding(
        "administrator",
        "Your organization's security policy blocks this sign-in.",
        "Ask your administrator to allow IMAP and SMTP for this mailbox (security defaults, Conditional "
        "Access).",
    ),
    "policy.basic-auth-disabled": Finding(
        "administrator",
        "Your organization allows no sign-in with a password.",
        "Connect this inbox with your provider's own sign-in instead, or ask your administrator for an "
        "exception.",
    ),
    "policy.smtp-disabled": Finding(
        "administrator",
        "Sending by SMTP is switched off for your whole organization.",
        "Ask your administrator to switch on authenticated SMTP, at least for this mailbox.",
    ),
    "policy.differs-per-mailbox": Finding(
        "administrator",
        "Sending by SMTP is switched off for this mailbox; others in your organization may have it.",
        "Ask your administrator to switch on authenticated SMTP for this very mailbox.",
    ),
    "policy.imap-disabled": Finding(
        "administrator",
        "IMAP is switched off for this mailbox.",
        "Switch it on in the mailbox's settings, or ask your administrator to.",
    ),
    "access.denied": Finding(
        "administrator",
        "The sign-in is right, but it has no access to this mailbox (a shared one, perhaps).",
        "Ask your administrator for access, or connect with the mailbox's own sign-in.",
    ),
    "access.locked": Finding(
        "administrator",
        "The account is locked or disabled.",
        "Ask your administrator, or your provider's support, to unlock it.",
    ),
    "access.contact-admin": Finding(
        "administrator",
        "The mail server asks you to contact its administrator.",
        "Show them the server's words.",
    ),
    # --- provider
    "provider.throttled": Finding(
        "transient",
        "The provider slows this mailbox down.",
        _WAIT,
    ),
    "provider.unavailable": Finding(
        "transient",
        "The mail server is not available at the moment.",
        _WAIT,
    ),
    "provider.quota-exceeded": Finding(
        "transient",
        "The provider's own sending limit for this mailbox is used up.",
        "Sending goes on when the provider's limit allows it, at the latest after 24 hours. Lower the "
        "inbox's rate.",
    ),
    "mailbox.full": Finding(
        "person",
        "The mailbox is full.",
        "Delete messages or get more space, then it goes on by itself.",
    ),
    # --- one mail
    "deliverability.poor": Finding(
        "administrator",
        "The mail was refused because the domain does not prove that it may send it (SPF, DKIM, DMARC).",
        "Ask whoever manages your domain to publish SPF and DKIM for your provider, and a DMARC policy.",
    ),
    "sender.refused": Finding(
        "person",
        "The server does not let this account send under this address.",
        "Check that the address belongs to the account you signed in with.",
    ),
    "recipient.unknown": Finding(
        "person",
        "The recipient's address does not exist.",
        "Check the address; nothing is sent to it any more.",
    ),
    "recipient.full": Finding(
        "person",
        "The recipient's mailbox is full.",
        "Try again in some days.",
    ),
    "recipient.later": Finding(
        "transient",
        "The recipient's server asks to try again later.",
        _WAIT,
    ),
    "recipient.refused": Finding(
        "person",
        "The server refused the recipient.",
        "Check the address, and read the server's words.",
    ),
    "message.refused": Finding(
        "person",
        "The server refused the content of the mail.",
        "Change the text, and read the server's words.",
    ),
    "message.too-large": Finding(
        "person",
        "The mail is too large for the server.",
        "Make it shorter.",
    ),
}
