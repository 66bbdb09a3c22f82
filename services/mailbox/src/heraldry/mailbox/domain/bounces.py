"""Bounces that come without a standard report: told by who sent them and how, then by their words.

Words alone prove nothing, a person may quote them. So there must be something in the structure that only a mail
server does (an empty return path, a daemon's address, `X-Failed-Recipients`), and the words must be its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from heraldry.mailbox.domain import failures
from heraldry.mailbox.domain.automatic import REPLIES_AND_FORWARDS, nobody, responder, submitted
from heraldry.mailbox.domain.mime import Part
from heraldry.mailbox.domain.reports import MOST_RECIPIENTS, Action, Recipient, delivery, failed

Outcome: TypeAlias = Literal["bounce", "delayed", "arrived"]

_LOOKED_AT: Final = 20_000  # characters of a notice
_OPENING: Final = 4_000
_DAEMON: Final = re.compile(
    r"^(?:mailer|mail(?:er)?[-_.]?(?:daemon|deamon|system|demon)|mail[-_.]?delivery\S*|post_?(?:master|office)|mdaemon|microsoftexchange[0-9a-f]{20,}"
    r"|(?:no-?reply-?)?bounces?|system[-_.]?administrator|mailadmin\w*"
    r"|.{0,60}[-_.+]mailer-daemon|undeliverable|emailgateway|mailgateway|mail-?router|mailserver|mmdf|info_mailer)$",
    re.IGNORECASE,
)
_DAEMON_NAME: Final = re.compile(
    r"mail (?:delivery|transport|routing) (?:sub)?system|mail(?:er)?[- ]?daemon|delivery (?:sub)?system|mail administrator|system administrator"
    r"|microsoft outlook|postmaster|internet mail delivery|mail delivery service|systemadministrator|administrador del sistema|administrateur système",
    re.IGNORECASE,
)
_COPY: Final = re.compile(
    r"^[> ]{0,4}(?:-{2,}\s?(?:below this line is a copy|this is a copy of|original message|returned message|the (?:original|header)|header|"
    r"message (?:header|text)|ursprüngliche|urspr|kopi|copia|copie|cópia|forwarded|mensaje|messaggio|begin|enclosed|unsent|undelivered|attached).*"
    r"|(?:the )?(?:original|returned|undelivered|your) message (?:follows|headers?|header follows|included|is|below)?.{0,20}:"
    r"|received: (?:from|by|\(qmail).*|return-path: ?<.*|original message headers:.*|message headers follow:.*)$",
    re.IGNORECASE | re.MULTILINE,
)

_FAILED: Final = (
    r"undeliver(?:ed|able|y)\b", r"non[- ]?deliver(?:y|able|ed)", r"(?:e-?)?mail delivery (?:failed|failure|error|problem|system|notification)",
    r"deliver(?:y|ing) (?:of .{0,60})?(?:has |was |is )?(?:fail(?:ed|ure)|error|problem|aborted|impossible|rejected|unsuccessful)",
    r"delivery (?:status )?notification ?\(?(?:failure|failed)?", r"fail(?:ed|ure) (?:to deliver|notice|notification|delivery|mail)", r"failed mail",
    r"return(?:ed|ing) (?:mail|message|e-?mail|to (?:the )?sender)", r"mail (?:was )?returned", r"message (?:undeliverable|rejected|bounced|returned|status)",
    r"(?:could|can|did|was|were|has|have|is|had)(?: ?no|n['’]?|n)t (?:be |been |able to be )?(?:deliver|sent|reach|relay|accept|complet)\w*",
    r"(?:unable|inability|wasn['’]t able|not able|cannot|failed|impossible|not possible|can't|could not) to deliver", r"cannot (?:be )?(?:deliver|send|reach)\w*",
    r"mail system error", r"permanent (?:fatal |delivery )?(?:error|failure)s?", r"hi\. this is the", r"message that you sent", r"bounced? (?:mail|message|e-?mail|notice|notification)",
    r"did not reach", r"error (?:sending|delivering) ", r"(?:mail|message|e-?mail) (?:delivery )?(?:rejected|blocked|refused)", r"recipient (?:unknown|rejected)",
    r"rejected (?:e-?mail|mail|posting|message)", r"user unknown", r"mail error", r"delivery report", r"warning: (?:could not send|e-?mail)",
    r"(?:following|this) address(?:es)?(?:\(es\))? .{0,40}fail", r"following (?:recipients?|address(?:es)?)(?:\(e?s\))? (?:could|can|was|were|had|has|have|fail|did|is|are)", r"no such (?:user|address|recipient)", r"sorry, (?:we|i) (?:were|was|could)",
    # German
    r"unzustellbar\w*", r"(?:nicht|konnte .{0,60}nicht) (?:zugestellt|zustellbar|zustellen|ausgeliefert|übermittelt)", r"zustell\w* .{0,40}(?:fehl\w*|unmöglich|nicht)",
    r"(?:nachrichten)?zustellung .{0,40}(?:fehl\w*|gescheitert|nicht)", r"fehler (?:bei|beim|in) .{0,30}(?:zustell|versand|übermitt)\w*", r"zustell(?:ungs)?fehler", r"rückläufer",
    r"benachrichtigung (?:zum|über den) (?:über|zu)\w+", r"unzustellbarkeit\w*",
    # French
    r"(?:échec|echec|erreur|problème|avis de non)[ -](?:de |d['’]|lors de )?(?:la |l['’])?(?:remise|distribution|envoi|livraison|transmission|acheminement)",
    r"non[- ](?:remis|distribu[ée]|d[ée]livr[ée]|livr[ée])\w*", r"(?:pas pu|n['’]a pas|n['’]ont pas|impossible d['’]?e?) ?(?:être |été )?(?:remis|remettre|distribu|d[ée]livr|livr|achemin|envoy)\w*",
    r"message (?:retourné|refusé|rejeté)", r"retour(?:né)? à l['’]exp[ée]diteur",
    # Spanish, Portuguese
    r"no (?:se )?(?:ha |pudo |puede |fue |pudo ser |ha podido )?(?:podido )?(?:ser )?(?:entreg\w+|enviad\w+)", r"(?:error|fallo|falla|falha|erro|problema)s? (?:de|en|en la|na|no|da|ao) (?:la )?(?:entreg\w+|env[ií]\w*)",
    r"(?:mensaje|correo|mensagem|e-?mail) (?:devuelt|no entreg|devolvid|não entreg|rechazad|rejeitad|retornad)\w*", r"imposible (?:de )?entregar", r"no entregable", r"não (?:foi |p[ôo]de |pode )?(?:poss[íi]vel )?(?:ser )?(?:entreg\w+|enviad\w+)",
    r"notificaci[óo]n (?:de|del) (?:estado|error)\b", r"notifica[çc][ãa]o .{0,30}(?:entrega|falha)", r"imposs[íi]vel entregar", r"devoluci[óo]n de correo", r"não entregue",
    # Italian
    r"mancat[ao] (?:consegna|recapito)", r"(?:impossibile|non è stato possibile|non può essere|non è stat[oa]) (?:recapit|consegn|inviar|inoltrar)\w*", r"non (?:consegnat|recapitat|recapitabil)\w*",
    r"errore (?:di|nella|durante) .{0,20}(?:consegna|recapito|invio)", r"messaggio (?:respinto|rifiutato|restituito)", r"notifica .{0,30}(?:consegna|recapito)",
    # Dutch
    r"onbestelbaar", r"niet (?:\S+ )?(?:worden |kunnen )?(?:af)?(?:geleverd|bezorgd|besteld|afgeleverd|bestelbaar)", r"(?:bezorg|aflever|lever)\w* .{0,40}(?:mislukt|niet|fout)", r"kan niet worden (?:bezorgd|afgeleverd)",
    # Polish, Czech, Slovak, Hungarian
    r"niedostarcz\w+", r"nie (?:został\w* |mo[żz]na |uda[łl]o si[ęe] |mog[łl]\w* )?(?:by[ćc] )?(?:dostarcz\w+|dor[ęe]cz\w+|wys[łl]a\w+)", r"b[łl][ąa]d (?:dostarcz|dor[ęe]cz|wysy)\w*", r"zwrot (?:wiadomo|poczty|listu)\w*",
    r"nedoru[čc]\w+", r"nebyl\w* doru[čc]en\w*", r"nepoda[řr]ilo (?:se )?(?:doru[čc]|odeslat)\w*", r"kézbesíthetetlen", r"nem (?:sikerült|kézbesíthető)\w*",
    # Swedish, Danish, Norwegian, Finnish
    r"(?:kunde|kan|kunne) (?:inte|ikke) (?:\S+ )?(?:lever|skick|nå|afleveres|sendes)\w*", r"ol?ever(?:erbar|bar)\w*", r"uleverbar\w*", r"(?:leverans|leverings|leveringen).{0,30}(?:misslyck|mislyk|mislykk|fejl|feil)\w*", r"ikke (?:leveret|levert)",
    r"toimittamaton", r"ei voi(?:tu|da)? toimit\w*", r"toimitus (?:ep[äa]onnistu)\w*",
    # Russian, Ukrainian, Bulgarian, Turkish, Greek, Romanian
    r"недоставлен\w*", r"не (?:было |может быть |удалось |была |удается )?(?:достав\w+|отправ\w+)", r"ошибк\w+ (?:доставки|при доставке)", r"не (?:вдалося )?достав\w+", r"teslim edilem\w+", r"iletilem\w+",
    r"δεν (?:παραδόθηκε|ήταν δυνατή)", r"nu a (?:putut|fost) .{0,20}livrat\w*",
    # Japanese, Chinese, Korean
    r"配信(?:不能|できません|に失敗|失敗|エラー)", r"(?:配達|送信|送達|お届け|配送|配信)(?:すること)?(?:が|は|を)?(?:でき(?:ません|な)|不能|不可|失敗|エラー)", r"送信できな", r"届(?:きません|けられません|けることができません)", r"不達", r"エラーメール", r"未配[信達]",
    r"退信", r"退回", r"(?:投递|发送|傳送|傳遞|投遞|递送)(?:失败|失敗)", r"(?:无法|無法)(?:投递|送达|傳遞|传递|发送|寄達)", r"(?:배달|전송|전달).{0,6}(?:실패|못|불가|수 없)", r"반송",
)  # fmt: skip
_DELAYED: Final = (
    r"delay(?:ed)?\b", r"(?:still|will) (?:be(?:ing)? |keep |continue )?(?:retr|try)\w+", r"warning message only", r"not (?:yet )?been delivered (?:yet|after)|has not yet been delivered", r"could not send message for past",
    r"verzöger\w*", r"zustellung .{0,30}verspät\w*", r"noch nicht zugestellt", r"retard(?:é|ée)?\b", r"retras\w+", r"demorad?\w*", r"ritard\w+", r"vertra(?:agd|ging)", r"op[óo][źz]ni\w+", r"atras(?:o|ad)\w*",
    r"försen\w+", r"fördröj\w+", r"forsink\w+", r"viiväs\w+", r"zpo[žz]d\w+", r"задерж\w+", r"遅延|遅れて", r"延迟|延遲", r"지연",
)  # fmt: skip
_ARRIVED: Final = (
    r"success\w*", r"\(relay(?:ed)?\)", r"\brelayed\b", r"expanded\b", r"has been delivered", r"was delivered", r"erfolgreich", r"zugestellt\b(?<!nicht zugestellt)",
    r"remis avec succès", r"con éxito", r"con successo", r"com sucesso", r"開封済み", r"配信済み|配信完了",
)  # fmt: skip
_GIVEN_UP: Final = re.compile(
    r"giv(?:en|ing) up|no further|permanent|failed after|could not be delivered (?:after|for)|aufgegeben|expired|exceeded"
)


def _any(phrases: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


_FAILED_RE, _DELAYED_RE, _ARRIVED_RE = _any(_FAILED), _any(_DELAYED), _any(_ARRIVED)
_ADDRESS: Final = re.compile(
    r"[^\s<>()\[\]\",;:'`=]{1,64}@[A-Za-z0-9\u0080-\uffff](?:[^\s<>()\[\]\",;:'`]{0,254}[A-Za-z0-9\u0080-\uffff])?"
)
_LEADS: Final = re.compile(
    r"^[\s>*•\-'\"<(\[]{0,20}(?:(?:to|recipient|address|empfänger|destinataire|destinatario|destinatário|ontvanger|odbiorca|user|mailto|for|an|a|à|para|宛先|addressee|rcpt to"
    r"|e-?mail|failed recipient|the following address(?:es)? failed|delivery to|unable to deliver to|could not deliver to)\s{0,3}[:\uff1a]?\s{0,3}[<'\"(\[]{0,3})?(?:mailto:)?$",
    re.IGNORECASE,
)
_ASSISTANCE: Final = re.compile(
    r"(?:contact|assistance|questions?|support|help|send mail to|write to|kontakt|hilfe)\b[^.]{0,60}$",
    re.IGNORECASE,
)
_FORWARDED: Final = re.compile(r"\(?(?:generated from|ultimately generated from|expanded from:?|reached via|from an original recipient|original recipient:?)\s{0,3}<?", re.IGNORECASE)  # fmt: skip
_LINE: Final = 400
_GENERAL: Final = re.compile(r"report|notif|status|system|warning|rapport|bericht", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Notice:
    """A server's notice in words: what it tells, of whom, and what gave it away."""

    outcome: Outcome
    recipients: tuple[Recipient, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Original:
    """The mail that a report gives back, as far as it does."""

    message_id: str = ""
    to: tuple[str, ...] = ()
    subject: str = ""
    attempt: str = ""


def structure(head: Part, address: str, name: str) -> tuple[str, ...]:
    """What in the head of a mail only a mail server does."""
    found: list[str] = []
    if "x-failed-recipients" in head.headers:
        found.append("x-failed-recipients")
    if "x-ms-exchange-message-is-ndr" in head.headers:
        found.append("x-ms-exchange-message-is-ndr")
    if head.raw("return-path").replace(" ", "") == "<>":
        found.append("return-path: <>")
    if is_daemon(address, name, head.raw("from")):
        found.append("from: a mail server")
    if nobody(address):
        found.append("from: an address that nobody reads")
    if submitted(head) in ("auto-replied", "auto-generated", "auto-notified"):
        found.append("auto-submitted")
    if head.kind == "multipart/report":
        found.append("multipart/report")
    return tuple(found)


def is_daemon(address: str, name: str, value: str = "") -> bool:
    """Whether a mail comes from a mail server and not from a person."""
    local = address.partition("@")[0].strip("\"' ")
    if local:
        return bool(_DAEMON.match(local[:100]) or (_DAEMON_NAME.search(name[:200]) and not _person(local)))
    bare = value.strip(" \"'<>")[:100]
    return bool(_DAEMON.match(bare) or _DAEMON_NAME.search(bare)) or value.strip() == "<>"


def _person(local: str) -> bool:
    return bool(re.match(r"^[a-z]+[._][a-z]+$", local, re.IGNORECASE))


def notice(
    head: Part, sender: tuple[str, str], subject: str, text: str, *, gives_back: bool, original: Original
) -> Notice | None:
    """The notice that a mail is, unless it is none. `gives_back`: it carries the mail it is about."""
    signs = structure(head, *sender)
    if not signs or responder(head):
        return None
    own = failures.own(own_words(text))
    by_subject = outcome_in(_before(subject)) if not REPLIES_AND_FORWARDS.match(subject) else None
    by_words = outcome_in(own[:_OPENING])
    weight = (
        sum(_WEIGHTS[sign] for sign in signs)
        + (2 if by_subject else 0)
        + (2 if by_words else 0)
        + (1 if gives_back else 0)
        + (1 if failures.status_in(own) else 0)
    )
    if weight < _ENOUGH or not (by_subject or by_words or gives_back or not _TELLING.isdisjoint(signs)):
        return None
    if REPLIES_AND_FORWARDS.match(subject) and (not by_words or _CERTAIN.isdisjoint(signs)):
        return None
    if _TELLING.isdisjoint(signs) and not by_subject and not (gives_back or failures.status_in(own)):
        return None
    words = (*(("subject",) if by_subject else ()), *(("text",) if by_words else ()))
    stated = tuple(delivery(own))
    if stated:
        return Notice(_outcome_of(stated), stated, (*signs, *words, "text: fields of a report"))
    outcome = _outcome(own[:_OPENING], by_subject, by_words)
    named = addresses_in(",".join(head.headers.get("x-failed-recipients", ())))
    ours = frozenset(map(str.casefold, addresses_in(head.raw("to")))) | {sender[0].casefold()}
    recipients = (
        () if outcome == "arrived" else recipients_in(text, named, ours, original.to, _ACTIONS[outcome])
    )
    certain = not _CERTAIN.isdisjoint(signs)
    if not (certain or gives_back or failures.status_in(own) or (recipients and _DAEMON_SIGN in signs)):
        return None
    return Notice(outcome, recipients, signs + words)


def _outcome(opening: str, by_subject: Outcome | None, by_words: Outcome | None) -> Outcome:
    outcome = by_subject or by_words or "bounce"
    if outcome == "delayed" and by_words == "bounce" and _GIVEN_UP.search(opening.lower()):
        return "bounce"
    return "delayed" if outcome == "bounce" and _ONLY_A_WARNING.search(opening) else outcome


def _outcome_of(stated: Sequence[Recipient]) -> Outcome:
    actions = {recipient.action for recipient in stated}
    return "bounce" if "failed" in actions else "delayed" if "delayed" in actions else "arrived"


_ACTIONS: Final[dict[Outcome, Action]] = {"bounce": "failed", "delayed": "delayed", "arrived": "delivered"}
_DAEMON_SIGN: Final = "from: a mail server"
_CERTAIN: Final = frozenset(
    {"x-failed-recipients", "x-ms-exchange-message-is-ndr", "return-path: <>", "multipart/report"}
)
_TELLING: Final = frozenset(
    {"x-failed-recipients", "x-ms-exchange-message-is-ndr", "multipart/report", _DAEMON_SIGN}
)
_ONLY_A_WARNING: Final = re.compile(
    r"warning message only|do not need to resend|not required to take|no action is required"
    r"|still (?:be(?:ing)? )?(?:retr|try)|will (?:be|keep|continue)[^.]{0,20} (?:retr|try)|delivery attempts will continue",
    re.IGNORECASE,
)
_WEIGHTS: Final = {
    "x-failed-recipients": 4,
    "x-ms-exchange-message-is-ndr": 4,
    "return-path: <>": 2,
    "from: a mail server": 2,
    "auto-submitted": 1,
    "from: an address that nobody reads": 1,
    "multipart/report": 2,
}
_ENOUGH: Final = 4


def outcome_in(words: str) -> Outcome | None:
    """What a subject or an opening tells; none where it tells nothing about a delivery."""
    if _DELAYED_RE.search(words) and not re.search(r"(?i)fail|undeliver|permanent|fehlgeschlagen", words):
        return "delayed"
    if _FAILED_RE.search(words):
        if re.search(r"(?i)\((?:relay|success|deliver|expand)\w*\)|successful", words[:200]):
            return "arrived"
        if re.search(r"(?i)\(delay\w*\)|warning: .{0,80}delayed", words[:200]):
            return "delayed"
        return "bounce"
    if _DELAYED_RE.search(words):
        return "delayed"
    return "arrived" if _ARRIVED_RE.search(words) else None


def _before(subject: str) -> str:
    """What stands before the subject of the mail it is about, where that alone says what became of it."""
    said, colon, _ = subject.replace("\uff1a", ":").partition(":")
    return said if colon and outcome_in(said) and not _GENERAL.search(said) else subject


def own_words(text: str) -> str:
    """A notice without the copy of the mail it is about."""
    text = text[:_LOOKED_AT]
    copy = next((found for found in _COPY.finditer(text) if text[: found.start()].strip()), None)
    return text[: copy.start()] if copy else text


def recipients_in(
    text: str,
    named: Sequence[str],
    ours: frozenset[str],
    written_to: Sequence[str],
    action: Action,
) -> tuple[Recipient, ...]:
    """Of whom a notice speaks: whom a header names, else the addresses its lines begin with, else whom we wrote to."""
    own = own_words(text)
    spans = _spans(own, ours)
    by_name = {address.casefold(): words for address, words, _ in spans}
    finals = {origin.casefold(): (final, words) for final, words, origin in spans if origin}
    if named:
        chosen = list(named)
    elif spans:
        chosen = [origin or address for address, _, origin in spans]
    else:
        chosen = _mentioned(own, ours, written_to) or [address for address, _, _ in _spans(own, frozenset())]
    chosen = list({address.casefold(): address for address in reversed(chosen)}.values())[::-1]
    if len(written_to) == 1 and len(chosen) > 1 and not named:
        ones = [address for address in chosen if address.casefold() == written_to[0].casefold()]
        chosen = ones or chosen
    found: list[Recipient] = []
    for address in chosen[:MOST_RECIPIENTS]:
        final, words = finals.get(address.casefold(), ("", by_name.get(address.casefold(), "")))
        recipient = failed(address, words, action=action, final=final)
        if recipient.category == "other" and len(chosen) == 1:
            recipient = failed(address, f"{words}\n{own}", action=action, final=final)
        found.append(recipient)
    return tuple(found)


def said_of(text: str) -> dict[str, str]:
    """What a notice says of each address (case folded) that one of its lines begins with."""
    return {address.casefold(): words for address, words, _ in _spans(own_words(text), frozenset())}


def _spans(own: str, ours: frozenset[str]) -> list[tuple[str, str, str]]:
    """(address, what is said of it, the address it was reached from) for each line that begins with an address."""
    found: list[tuple[str, list[str], str]] = []
    before = ""
    for line in own.splitlines():
        cut = line[:_LINE]
        match = _ADDRESS.search(cut)
        origin = _FORWARDED.search(cut)
        if found and origin and match and origin.end() <= match.start() + 1:
            address, said, _ = found[-1]
            found[-1] = (address, said, match[0])
        elif (
            match
            and _LEADS.match(cut[: match.start()])
            and not _ASSISTANCE.search(f"{before} {cut[: match.start()]}")
            and match[0].casefold() not in ours
            and not _is_ours(match[0])
        ):
            found.append((match[0], [cut[match.end() :]], ""))
        elif found:
            found[-1][1].append(cut)
        before = cut
    merged: dict[str, tuple[str, str, str]] = {}
    for address, said, origin in found:
        known = merged.get(address.casefold(), (address, "", ""))
        words = f"{known[1]}\n" if known[1] else ""
        merged[address.casefold()] = (address, words + "\n".join(said).strip(), origin or known[2])
    return list(merged.values())


def _mentioned(own: str, ours: frozenset[str], written_to: Sequence[str]) -> list[str]:
    """Addresses anywhere in the words: those we wrote to if they are among them, else the first."""
    all_of_them = [each for each in addresses_in(own) if each.casefold() not in ours and not _is_ours(each)]
    sent = {each.casefold() for each in written_to}
    known = [each for each in all_of_them if each.casefold() in sent]
    return known or list(written_to) or all_of_them[:1]


def _is_ours(address: str) -> bool:
    return bool(_DAEMON.match(address.partition("@")[0])) and "mail@" not in address.lower()


def addresses_in(value: str) -> list[str]:
    return list(dict.fromkeys(_each(value[:_LOOKED_AT])))


def _each(value: str) -> Iterator[str]:
    for found in _ADDRESS.finditer(value):
        yield found[0]
