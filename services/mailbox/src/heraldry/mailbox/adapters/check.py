"""The connection test of the form: both protocols for real, and what to tell when one of them fails."""

from __future__ import annotations

from heraldry.mailbox.adapters import smtp
from heraldry.mailbox.adapters.imap import ImapMailbox
from heraldry.mailbox.domain.diagnosis import Diagnosis, advice, combined
from heraldry.mailbox.ports import Account, Checked, MailProblem, Patience, Trust

# the password is known to be wrong or refused: a second try would only count against the account
_NO_SECOND_TRY = ("credentials.", "login.", "too-many-attempts", "access.", "policy.blocked")


class MailChecker:
    """The port's `Checker`."""

    def __init__(self, trust: Trust, patience: Patience | None = None) -> None:
        self._trust = trust
        self._patience = patience or Patience()

    async def check(self, account: Account) -> Checked:
        reading = await self._reading(account)
        if isinstance(reading, Diagnosis) and reading.code.startswith(_NO_SECOND_TRY):
            raise MailProblem(reading)
        sending = await self._sending(account)
        failures = tuple(each for each in (reading, sending) if isinstance(each, Diagnosis))
        if isinstance(reading, Diagnosis) or isinstance(sending, Diagnosis):
            first = combined(
                reading if isinstance(reading, Diagnosis) else None,
                sending if isinstance(sending, Diagnosis) else None,
            )
            raise MailProblem(first or failures[0], failures)
        capabilities, sent, messages = reading
        hints = (advice("inbox.empty"),) if messages == 0 else ()
        return Checked(capabilities, sending, "INBOX", sent, messages, hints)

    async def _reading(self, account: Account) -> tuple[frozenset[str], str | None, int] | Diagnosis:
        try:
            async with ImapMailbox(self._trust, self._patience).open(account) as session:
                inbox = await session.folder("INBOX")
                return await session.capabilities(), await session.sent_folder(), inbox.messages
        except MailProblem as problem:
            return problem.diagnosis

    async def _sending(self, account: Account) -> frozenset[str] | Diagnosis:
        session = smtp.Session(account, self._patience)
        try:
            extensions = await session.enter(self._trust)
            await session.rest()
        except MailProblem as problem:
            return problem.diagnosis
        else:
            return extensions
        finally:
            await session.leave()
