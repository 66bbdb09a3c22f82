"""What the dashboard says of states: chips on the cards, and above them what somebody should act on."""

from __future__ import annotations

from typing import cast

from heraldry.gateway.cards import Card, LinkedInState, Overview
from heraldry.gateway.pages.models import INBOX_STATES, LINKEDIN_STATES, Chip, InboxState, Notice
from heraldry.gateway.pages.models import LinkedInState as State


def chips(card: Card) -> tuple[Chip, ...]:
    shown = [one for one in card.inboxes if one.state != "disconnected"]
    states = [INBOX_STATES[cast("InboxState", one.state)] for one in shown]
    return (
        *(Chip(f"LinkedIn: {_state(one).text}", _state(one).tone) for one in (card.linkedin,) if one),
        *(Chip(f"{one.address}: {state.text}", state.tone) for one, state in zip(shown, states, strict=True)),
    )


def notices(found: Overview, *, mails: int, steps: int) -> tuple[Notice, ...]:
    """`mails`, `steps`: of how many nobody knows what became of them."""
    return (
        *(
            _of_linkedin(card, card.linkedin)
            for card in found.cards
            if card.linkedin and _acts(card.linkedin)
        ),
        *(
            Notice(
                title=f"{inbox.address} needs to be reconnected.",
                text=inbox.detail,
                tone="bad",
                href=f"/identities/{card.identity}/inboxes/new?inbox={inbox.inbox}",
                link="Reconnect",
            )
            for card in found.cards
            for inbox in card.inboxes
            if inbox.state == "reconnect"
        ),
        *(
            Notice(
                title=f"{inbox.address} is paused.",
                text=inbox.detail,
                href=f"/identities/{card.identity}?section=email",
                link="Look at it",
            )
            for card in found.cards
            for inbox in card.inboxes
            if inbox.state == "paused"
        ),
        *_undecided(mails, steps),
    )


def _state(linkedin: LinkedInState) -> Chip:
    return LINKEDIN_STATES[cast("State", linkedin.state)]


def _acts(linkedin: LinkedInState) -> bool:
    """A person should do something."""
    return _state(linkedin).tone in {"bad", "warn"}


def _of_linkedin(card: Card, linkedin: LinkedInState) -> Notice:
    state = _state(linkedin)
    return Notice(
        title=f"LinkedIn of {card.name}: {state.text.lower()}.",
        text=linkedin.detail,
        tone=state.tone,
        href=f"/identities/{card.identity}/linkedin",
        link={"code wanted": "Enter the code", "failed": "Try again"}.get(linkedin.state, "Look at it"),
    )


def _undecided(mails: int, steps: int) -> tuple[Notice, ...]:
    left = "1 mail" if mails == 1 else f"{mails} mails"
    done = "1 LinkedIn step was" if steps == 1 else f"{steps} LinkedIn steps were"
    several = (
        (mails, f"Nobody knows whether {left} left.", "A connection broke at the moment of sending."),
        (steps, f"Nobody knows whether {done} done.", "The browser stopped at the moment of acting."),
    )
    return tuple(
        Notice(
            title=title,
            text=f"{why} Somebody has to look and decide.",
            href="/activity/undecided",
            link="Decide",
        )
        for count, title, why in several
        if count
    )
