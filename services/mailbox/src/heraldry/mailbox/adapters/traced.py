"""What is done at mail servers, as spans: whether it worked, and by its code why it did not. Never where, nor for whom."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from heraldry.chassis import tracing
from heraldry.mailbox.ports import (
    Accepted,
    Account,
    Checked,
    Checker,
    Mailbox,
    MailProblem,
    Outcome,
    Reader,
    Submission,
    Submitter,
)


class TracedChecker:
    """The port's `Checker`."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    async def check(self, account: Account) -> Checked:
        with tracing.span("mail servers tried", "client") as told:
            try:
                return await self._checker.check(account)
            except MailProblem as problem:
                told.fail(problem.diagnosis.code)
                raise


class TracedSubmitter:
    """The port's `Submitter`."""

    def __init__(self, submitter: Submitter) -> None:
        self._submitter = submitter

    async def submit(
        self, account: Account, mail: Submission, *, before_content: Callable[[], Awaitable[None]]
    ) -> Outcome:
        with tracing.span("smtp", "client") as told:
            outcome = await self._submitter.submit(account, mail, before_content=before_content)
            told.tell({"heraldry.outcome": type(outcome).__name__})
            if not isinstance(outcome, Accepted):
                told.fail(outcome.diagnosis.code)
            return outcome


class TracedMailbox:
    """The port's `Mailbox`. The span ends when the account is signed in: what is read then takes hours."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @asynccontextmanager
    async def open(self, account: Account) -> AsyncGenerator[Reader]:
        async with AsyncExitStack() as stack:
            with tracing.span("imap", "client") as told:
                try:
                    reader = await stack.enter_async_context(self._mailbox.open(account))
                except MailProblem as problem:
                    told.fail(problem.diagnosis.code)
                    raise
            yield reader
