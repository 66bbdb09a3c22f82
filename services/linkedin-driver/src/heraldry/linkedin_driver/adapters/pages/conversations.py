"""What others wrote, from the answer that every page of somebody signed in asks for: nothing is marked as read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from heraldry.linkedin_driver.adapters.pages.obstacles import obstacle
from heraldry.linkedin_driver.adapters.pages.parts import Reader
from heraldry.linkedin_driver.adapters.problems import LayoutChanged
from heraldry.linkedin_driver.adapters.site import go
from heraldry.linkedin_driver.ports import Heard
from playwright.async_api import Request
from playwright.async_api import TimeoutError as TookTooLong

ASKED_FOR: Final = "queryId=messengerConversations."
ANSWERS: Final = 10_000  # milliseconds until the page has asked for it
_HEADERS: Final = frozenset({"accept", "csrf-token", "x-restli-protocol-version", "x-li-lang"})
_ASK: Final = """
async ([address, headers]) => {
  const answer = await fetch(address, {headers, signal: AbortSignal.timeout(10000)}).catch(() => null);
  return answer && answer.ok ? await answer.json().catch(() => null) : null;
}
"""


async def read_newest(reader: Reader, address: str) -> tuple[Heard, ...]:
    """Open a page that shows no conversation, and ask what it asks of the newest ones, as it asks.

    Raises:
        LayoutChanged: the page does not ask, or is answered in another form.
    """
    try:
        async with reader.page.expect_request(_is_asked_for, timeout=ANSWERS) as waiting:
            await go(reader.page, address)
            if problem := await obstacle(reader):
                raise problem
        asked = await waiting.value
    except TookTooLong as error:
        raise LayoutChanged("conversations", ["the newest conversations"]) from error
    headers = {name: value for name, value in asked.headers.items() if name in _HEADERS}
    answer = cast("object", await reader.page.evaluate(_ASK, [asked.url, headers]))
    if not isinstance(answer, dict):
        raise LayoutChanged("conversations", ["an answer"])
    return tuple(heard_in(cast("dict[str, object]", answer)))


def heard_in(answer: object) -> Iterator[Heard]:
    """Messages of the other person in conversations of two that are no advertisements."""
    for conversation in _elements(_part(answer, "data")):
        if conversation.get("groupChat") or _part(conversation, "contentMetadata", "conversationAdContent"):
            continue
        others = {
            str(one.get("hostIdentityUrn", ""))
            for one in _list(conversation.get("conversationParticipants"))
            if _part(one, "participantType", "member", "distance") != "SELF"
        }
        if len(others) != 1:
            continue
        (other,) = others
        for message in _list(_part(conversation, "messages", "elements")):
            if _part(message, "sender", "hostIdentityUrn") == other and (heard := _heard(message, other)):
                yield heard


def _heard(message: Mapping[str, Any], by: str) -> Heard | None:
    urn, at, text = message.get("entityUrn"), message.get("deliveredAt"), _part(message, "body", "text")
    if not isinstance(urn, str) or not isinstance(at, int) or not isinstance(text, str):
        return None
    return Heard(urn, by.rpartition(":")[2], text, datetime.fromtimestamp(at / 1000, UTC))


def _is_asked_for(request: Request) -> bool:
    return ASKED_FOR in request.url


def _elements(data: object) -> list[Mapping[str, Any]]:
    """Whatever the site calls the list today."""
    if not isinstance(data, dict):
        return []
    for each in cast("dict[str, object]", data).values():
        if isinstance(each, dict) and "elements" in each:
            return _list(cast("dict[str, object]", each)["elements"])
    return []


def _list(value: object) -> list[Mapping[str, Any]]:
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", each) for each in found if isinstance(each, dict)]


def _part(value: object, *path: str) -> object:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, object]", value).get(name)
    return value
