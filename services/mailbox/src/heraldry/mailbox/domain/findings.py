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
    "policy.conditional-access": Finding(
        "administrator",
        "Your organization's rules on sign-in (Conditional Access) block this application or this device.",
        "Ask your administrator to allow this application in the rule, or sign in from a device and network that "
        "meet it.",
    ),
    "policy.legacy-auth-blocked": Finding(
        "administrator",
        "Your organization's security defaults block this kind of sign-in.",
        "Connect this inbox with the provider's own sign-in instead of a password; if that is what you did, ask "
        "your administrator.",
    ),
    "policy.account-at-risk": Finding(
        "administrator",
        "The provider or your organization blocks this account because it looks at risk.",
        "Ask your administrator to check the account and to lift the block.",
    ),
    "policy.user-not-assigned": Finding(
        "administrator",
        "Your organization lets only assigned people use this application, and you are not among them.",
        "Ask your administrator to assign you to this application.",
    ),
    "policy.tenant-restricted": Finding(
        "administrator",
        "Your organization, or the network you are in, allows no sign-in to applications of others.",
        "Ask your administrator to allow this application across organizations.",
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
    # --- signing in at Google or Microsoft
    "consent.required": Finding(
        "person",
        "Nobody has allowed this application to use the mailbox yet.",
        "Sign in and accept what is asked for. If you see “Approval required” instead, your administrator has "
        "to allow it: hand them the consent link.",
    ),
    "consent.admin-required": Finding(
        "administrator",
        "Your organization lets only an administrator allow this application.",
        "Hand the consent link to your administrator. When they have allowed it, sign in once more here.",
    ),
    "consent.admin-requested": Finding(
        "administrator",
        "Your organization has to approve this application first; the approval was asked for, or can be there.",
        "Wait until your administrator has approved the request, or hand them the consent link; then sign in "
        "once more here.",
    ),
    "consent.recording-failed": Finding(
        "transient",
        "Microsoft could not record the consent at this moment.",
        "Wait a minute, then sign in again.",
    ),
    "consent.declined": Finding(
        "person",
        "The sign-in was cancelled, or the permissions were declined.",
        "Sign in again and accept what is asked for; nothing can be read or sent without it.",
    ),
    "consent.scopes-missing": Finding(
        "person",
        "You signed in, but not all permissions were granted: single ones can be unticked.",
        "Sign in again and leave every permission ticked.",
    ),
    "consent.app-unknown": Finding(
        "administrator",
        "Your organization does not know this application: nobody there has allowed it, or it is the wrong "
        "organization.",
        "Check that you signed in with the account of this mailbox. If so, hand the consent link to your "
        "administrator.",
    ),
    "grant.invalid": Finding(
        "person",
        "The permission that this inbox was connected with is no longer valid.",
        "Reconnect this inbox by signing in again.",
    ),
    "grant.expired": Finding(
        "person",
        "The permission has ended because of its age, or because it was not used for a long time.",
        "Reconnect this inbox by signing in again.",
    ),
    "grant.revoked": Finding(
        "person",
        "The permission was withdrawn: the password was changed, somebody removed the application's access, "
        "or the application is still marked as being tested at Google, where permissions end after seven days.",
        "Reconnect this inbox by signing in again. If it happens every seven days, whoever runs this "
        "installation has to publish the application at Google.",
    ),
    "grant.session-ended": Finding(
        "person",
        "The session has ended, by your organization's rules or after a change of the password.",
        "Reconnect this inbox by signing in again. If it happens often, ask your administrator to exempt this "
        "application from the rule on session length.",
    ),
    "grant.sign-in-needed": Finding(
        "person",
        "The provider wants you to sign in again yourself.",
        "Reconnect this inbox by signing in again, and do what is asked there.",
    ),
    "mfa.required": Finding(
        "person",
        "The provider wants a second step of sign-in (multi-factor authentication).",
        "Sign in again and complete the second step; set it up there if you are asked to.",
    ),
    "mfa.blocked": Finding(
        "administrator",
        "The second step of sign-in has to be set up, and that is blocked here by your organization.",
        "Set it up from a device or network your organization trusts, or ask your administrator for help.",
    ),
    "account.locked": Finding(
        "person",
        "The account is locked for a while after too many failed sign-ins, or our address looks suspicious to the "
        "provider.",
        "Wait an hour, sign in to the mailbox in your browser, then try again. If it stays locked, ask your "
        "administrator to unlock it.",
    ),
    "account.disabled": Finding(
        "administrator",
        "The account is disabled.",
        "Ask your administrator to enable it, or connect another mailbox.",
    ),
    "sign-in.wrong-account": Finding(
        "person",
        "This account does not belong to the organization, or has not accepted its invitation yet.",
        "Sign out of other accounts in your browser, then sign in with the very account of this mailbox.",
    ),
    "sign-in.wrong-tenant": Finding(
        "person",
        "There is no organization of this name at Microsoft.",
        "Check the address for typing mistakes, and that the mailbox is one of Microsoft 365.",
    ),
    "sign-in.repeated": Finding(
        "transient",
        "This answer to the sign-in has been used already, for example by opening the page twice.",
        "Nothing needs to be done if the inbox shows as connected. If it does not, sign in again.",
    ),
    "sign-in.loop": Finding(
        "transient",
        "Microsoft stopped us because the same sign-in was asked for too often.",
        "Wait five minutes. If it happens again, whoever runs this installation should report it: the fault is "
        "in this program.",
    ),
    "sign-in.refused": Finding(
        "person",
        "The provider refused the sign-in and did not say why in a way we know.",
        "Sign in again. If it fails again, show the provider's words to your administrator.",
    ),
    "access.no-mailbox": Finding(
        "administrator",
        "The account is right, but it has no mailbox that can be reached: the mail service is not part of its "
        "plan, or switched off.",
        "Ask your administrator to give this account a mailbox (a licence with Exchange Online, or Gmail "
        "switched on).",
    ),
    "answer.no-error": Finding(
        "transient",
        "This answer reports no error.",
        "Nothing needs to be done.",
    ),
    # --- the operator's own application
    "operator.client-secret": Finding(
        "operator",
        "The secret of this installation's own application is wrong or has expired. No inbox has to be "
        "reconnected for it.",
        "Whoever runs this installation has to make a new client secret at the provider and enter it in the "
        "settings.",
    ),
    "operator.redirect-address": Finding(
        "operator",
        "The redirect address of this installation is not registered at the provider.",
        "Whoever runs this installation has to register exactly the redirect address that the settings show.",
    ),
    "operator.app-misconfigured": Finding(
        "operator",
        "This installation's application is not set up completely at the provider, or is disabled there.",
        "Whoever runs this installation has to compare its permissions and state at the provider with the "
        "guide for it.",
    ),
    "operator.app-single-tenant": Finding(
        "operator",
        "This installation's application is registered for one organization only.",
        "Whoever runs this installation has to allow accounts of any organization in the registration, or set "
        "the organization in the settings.",
    ),
    "operator.app-is-browser-only": Finding(
        "operator",
        "This installation's application is registered as a single-page one, whose permissions end after a day.",
        "Whoever runs this installation has to register the redirect address as one of a web application; "
        "afterwards, reconnect this inbox.",
    ),
    "operator.app-internal": Finding(
        "operator",
        "This installation's application is open only to accounts of its own organization.",
        "Sign in with an account of that organization, or ask whoever runs this installation to open the "
        "application to others.",
    ),
    "operator.app-in-testing": Finding(
        "operator",
        "This installation's application is still marked as being tested at Google, and this account is not "
        "among its testers.",
        "Whoever runs this installation has to publish the application at Google, or add this account to its "
        "testers.",
    ),
    "operator.api-disabled": Finding(
        "operator",
        "The provider's mail interface is not switched on for this installation's application.",
        "Whoever runs this installation has to enable the Gmail API in the application's project at Google.",
    ),
    "operator.our-mistake": Finding(
        "operator",
        "This program asked for something that the provider does not allow. It is not your fault.",
        "Whoever runs this installation should report it with the provider's words.",
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
