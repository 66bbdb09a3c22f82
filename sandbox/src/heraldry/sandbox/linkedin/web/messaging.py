"""Messaging: the older part of the site, whose class names are words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from heraldry.sandbox.linkedin.people import Account, Person
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.state import Conversation, Message
from heraldry.sandbox.linkedin.web.rendering import Pages
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Redirect

LISTED = 20  # conversations in the answer every page asks for


@dataclass(frozen=True, slots=True)
class NewMessage:
    to: str  # the id of a profile
    text: str
    by: Literal["button", "enter"]


class MessagingController(Controller):
    path = "/"

    @get("/messaging")
    async def home(
        self,
        me: NamedDependency[Person],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str] | Redirect:
        """The newest conversation is opened, and so read."""
        for key in linkedin.messaging.conversations(me.slug):
            return Redirect(f"/messaging/thread/{key}/", status_code=302)
        return _page(linkedin, pages, me, account)

    @get("/messaging/thread/{key:str}")
    async def conversation(
        self,
        key: FromPath[str],
        me: NamedDependency[Person],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str] | Redirect:
        found = linkedin.messaging.open(account, key)
        if found is None:
            return Redirect("/404/", status_code=302)
        return _page(linkedin, pages, me, account, person=linkedin.person(other_of(found, me)), opened=found)

    @get("/messaging/compose")
    async def compose(
        self,
        me: NamedDependency[Person],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
        recipient: FromQuery[str] = "",
    ) -> Response[str] | Redirect:
        person = linkedin.with_profile_id(recipient.rpartition(":")[2])
        if person is None:
            return Redirect("/messaging/", status_code=302)
        person = linkedin.people().get(person.opens_thread_of, person)
        found = linkedin.messaging.between(me.slug, person.slug)
        opened = linkedin.messaging.open(account, found[0]) if found else None
        return _page(linkedin, pages, me, account, person=person, opened=opened)

    @post("/voyager/api/voyagerMessagingDashMessengerMessages", status_code=200)
    async def send(
        self,
        data: JSONBody[NewMessage],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
    ) -> Response[dict[str, str]]:
        person = linkedin.with_profile_id(data.to)
        connected = person and linkedin.network.connected_since(account.slug, person.slug) is not None
        sent = (
            linkedin.messaging.send(account, person, data.text, by=data.by) if person and connected else None
        )
        if sent is None:
            return Response({}, status_code=422)
        return Response({"conversation": sent[0], "message": sent[1].id})

    @get("/voyager/api/voyagerMessagingGraphQL/graphql")
    async def conversations(
        self,
        queryId: FromQuery[str],  # noqa: N803  the site's own name
        me: NamedDependency[Person],
        linkedin: NamedDependency[LinkedIn],
    ) -> dict[str, Any]:
        """What every page asks for; it marks nothing as read."""
        if not queryId.startswith("messengerConversations."):
            return {"data": {}}
        found = list(linkedin.messaging.conversations(me.slug).items())[:LISTED]
        elements = [_conversation_json(linkedin, me, key, one) for key, one in found]
        return {"data": {"messengerConversationsByMailbox": {"elements": elements}}}


def other_of(conversation: Conversation, me: Person) -> str:
    return conversation.other if conversation.one == me.slug else conversation.one


def _page(
    linkedin: LinkedIn,
    pages: Pages,
    me: Person,
    account: Account,
    *,
    person: Person | None = None,
    opened: Conversation | None = None,
) -> Response[str]:
    rows = [
        (key, linkedin.person(other_of(one, me)), one.messages[-1], me.slug in one.unread_by)
        for key, one in linkedin.messaging.conversations(me.slug).items()
    ]
    return pages.page(
        "messaging.html",
        me=me,
        account=account,
        rows=rows,
        person=person,
        messages=opened.messages if opened else [],
        connected=bool(person) and linkedin.network.relation(me.slug, person.slug) == "connected",
        people=linkedin.people(),
        never_ready=account.scenario.message == "never_ready",
    )


def _conversation_json(linkedin: LinkedIn, me: Person, key: str, one: Conversation) -> dict[str, Any]:
    other = linkedin.person(other_of(one, me))
    return {
        "entityUrn": f"urn:li:msg_conversation:(urn:li:fsd_profile:{me.profile_id},{key})",
        "lastActivityAt": _milliseconds(one.messages[-1].sent),
        "groupChat": False,
        "unreadCount": int(me.slug in one.unread_by),
        "conversationParticipants": [_participant(me, "SELF"), _participant(other, "DISTANCE_1")],
        "messages": {"elements": [_message_json(linkedin, message) for message in one.messages]},
    }


def _participant(person: Person, distance: str) -> dict[str, Any]:
    member = {
        "profileUrl": f"https://www.linkedin.com/in/{person.profile_id}",
        "firstName": {"text": person.first_name},
        "lastName": {"text": person.last_name},
        "distance": distance,
    }
    urn = f"urn:li:fsd_profile:{person.profile_id}"
    return {"hostIdentityUrn": urn, "participantType": {"member": member}}


def _message_json(linkedin: LinkedIn, message: Message) -> dict[str, Any]:
    sender = linkedin.person(message.by)
    return {
        "entityUrn": f"urn:li:msg_message:(urn:li:fsd_profile:{sender.profile_id},{message.id})",
        "deliveredAt": _milliseconds(message.sent),
        "body": {"text": message.text},
        "sender": {"hostIdentityUrn": f"urn:li:fsd_profile:{sender.profile_id}"},
        "renderContent": [],
    }


def _milliseconds(instant: float) -> int:
    return int(instant * 1000)
