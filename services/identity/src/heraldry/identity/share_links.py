"""Share links: made, looked at, taken, used up, revoked."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from uuid import UUID, uuid5

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.runner import Asked, Runner
from heraldry.contracts.base import Accepted, By, Erased
from heraldry.contracts.share_links import (
    IssueShareLink,
    LookUpShareLink,
    RevokeShareLink,
    ShareLinkStanding,
    TakeShareLink,
)
from heraldry.identity.application import Identities, organization_of
from heraldry.identity.domain import identity, share_link
from heraldry.identity.domain.identity import Identity
from heraldry.identity.domain.share_link import FilledForm, ShareLink, ShareLinkTaken

LINK: Final[Decider[share_link.Command, share_link.State, share_link.Event]] = Decider(
    share_link.NO_LINK, share_link.decide, share_link.evolve
)
BY_LINK: Final = "link:"  # and the link's id: whoever has it


class ShareLinks:
    """The commands about links, and what is asked of one link by whoever has it."""

    def __init__(self, runner: Runner, identities: Identities, clock: Clock) -> None:
        self._runner, self._identities, self._clock = runner, identities, clock

    async def issue(self, command: IssueShareLink, asking: Asking) -> Accepted:
        organization = organization_of(asking)
        if command.identity is None:
            kind, about = "create", share_link.identity_of(command.link)
        else:
            kind, about = "refresh", command.identity
            identity.own(organization, await self._identities.load(about))
        issue = share_link.Issue(command.link, organization, kind, about, self._clock.now())
        return await self._run(command.link, issue, asking.id, asking.by, about)

    async def revoke(self, command: RevokeShareLink, asking: Asking) -> Accepted:
        revoke = share_link.Revoke(organization_of(asking), self._clock.now())
        link = await self._load(command.link)
        return await self._run(command.link, revoke, asking.id, asking.by, link.identity)

    async def take(self, command: TakeShareLink, asking: Asking) -> Accepted:
        """The form is judged as a whole, and its picture kept, before the event that refers to it stands."""
        organization, now = organization_of(asking), self._clock.now()
        link = await self._load(command.link)
        found = await self._identities.load(link.identity)
        name, details = identity.well_formed(command.name, command.details)
        form = FilledForm(name=name, details=details, hours=command.hours)
        gone = isinstance(found, Identity) and found.deleted
        take = share_link.Take(organization, command.browser, command.way, form, now, gone)
        if share_link.decide(take, link):  # refused before anything is kept
            picture = await self._identities.keep(link.identity, command.picture)
            take = replace(take, form=form.model_copy(update={"picture": picture}))
        return await self._run(command.link, take, asking.id, asking.by, link.identity)

    async def make(self, taken: ShareLinkTaken, asking: Asking) -> None:
        """What a filled-in form asks for: the identity, or what differs in it; then the link is used up."""
        if isinstance(taken.form, Erased):
            return
        by = By(
            organization=taken.organization,
            actor=f"{BY_LINK}{taken.link}",
            correlation=asking.by.correlation,
            causation=asking.by.causation,
        )
        there = await self._identities.load(taken.identity)
        for number, command in enumerate(self._wanted(taken, taken.form, there)):
            step = Asking(uuid5(asking.id, str(number)), by)
            await self._identities.run(taken.identity, command, step)
        if taken.way == "manually":
            await self._redeem(taken.link, taken.identity, asking.id, by)

    async def linked(self, about: UUID, asking: Asking) -> None:
        """An identity's LinkedIn account is linked: the link that made the identity has done its work."""
        maker = await self._identities.maker(about)
        if maker.startswith(BY_LINK):
            by = asking.by.model_copy(update={"actor": maker})
            await self._redeem(UUID(maker.removeprefix(BY_LINK)), about, asking.id, by)

    async def look_up(self, query: LookUpShareLink, asking: Asking) -> ShareLinkStanding:
        del asking  # whoever has the link may ask
        now = self._clock.now()
        link = await self._load(query.link)
        found = await self._identities.load(link.identity)
        gone = isinstance(found, Identity) and found.deleted
        yours = bool(query.browser) and link.browser == query.browser
        state = share_link.state_of(link, query.browser, now, gone=gone)
        return ShareLinkStanding(
            link=link.id,
            organization=link.organization,
            kind=link.kind,
            identity=link.identity,
            state=state,
            yours=yours,
            way=link.way if yours else None,
            valid_until=link.valid_until,
            busy_until=link.held_until(now) if state == "taken" else None,
            tries_left=share_link.MOST_TRIES - link.tries,
            done=link.used,
        )

    def _wanted(
        self, taken: ShareLinkTaken, form: FilledForm, there: identity.State
    ) -> tuple[identity.Command, ...]:
        organization, now = taken.organization, self._clock.now()
        if not isinstance(there, Identity) or taken.number == 1:
            return (
                identity.Create(
                    taken.identity,
                    organization,
                    form.name,
                    form.details,
                    form.picture,
                    form.hours,
                    now,
                    from_linkedin=taken.way == "credentials",
                ),
            )
        if there.deleted:
            return ()
        rename = identity.Rename(organization, now, form.name)
        if taken.way == "credentials":
            return (rename,)
        return (
            rename,
            identity.ChangeDetails(organization, now, form.details),
            identity.ChangePicture(organization, now, form.picture or there.picture),
            identity.ChangeHours(organization, now, form.hours),
        )

    async def _redeem(self, link: UUID, about: UUID, cause: UUID, by: By) -> None:
        redeem = share_link.Redeem(self._clock.now())
        await self._run(link, redeem, uuid5(cause, "redeem"), by, about)

    async def _load(self, link: UUID) -> ShareLink:
        state = (await self._runner.load(LINK, share_link.stream(link))).state
        if isinstance(state, share_link.NoLink):
            raise share_link.unknown()
        return state

    async def _run(self, link: UUID, command: share_link.Command, id_: UUID, by: By, about: UUID) -> Accepted:
        asked = Asked(id_, by, command.at, about)
        return self._runner.accepted(await self._runner.run(LINK, share_link.stream(link), command, asked))
