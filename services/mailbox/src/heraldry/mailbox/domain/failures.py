"""What a server that refused a mail says about its recipient: a stable category, and whether it is for good.

The enhanced status (RFC 3463) decides where it is definite. The words decide where it is not (`5.0.0`, `5.5.0`,
`554`), and they soften a hard status that a relay has only derived from `550`. Only what will not succeed later
for this very address is hard; what is about the sender, the mail or the moment never is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Category: TypeAlias = Literal[
    "unknown-address",
    "domain-unknown",
    "mailbox-disabled",
    "mailbox-full",
    "blocked-content",
    "blocked-reputation",
    "policy",
    "relaying",
    "too-large",
    "quota-of-sender",
    "temporary",
    "complaint",
    "delivered",
    "other",
]
HARD: Final[frozenset[Category]] = frozenset({"unknown-address", "domain-unknown", "mailbox-disabled"})

_LONGEST = 2_000  # characters of an answer that are compared
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_ANSWER = re.compile(r"(?<![\w.#-])([45]\d\d)(?:[ -]+#?|$)(?:([45]\.\d{1,3}\.\d{1,3})(?![\d.]*\d))?")
_BEFORE_AN_ANSWER = re.compile(  # a number elsewhere is a size, a time, a port, a ticket's
    r"(?:^|[\n;\"'«„“(\[<>]|:\s|(?:said|reply|error|code|status|answer|response|returned|responded|was|reason|with):?\s)"
    r"[\s#>*\"'(<\[-]{0,12}$",
    re.IGNORECASE,
)
_CITED = re.compile(  # fields of the mail a notice is about: its sender's words
    r"^[> \t]{0,12}(?:subject|betreff|objet|asunto|assunto|oggetto|onderwerp|temat|emne|ämne|aihe|předmět|predmet|tárgy|тема|konu"
    r"|件名|主题|主旨|제목|sent|date|message-id|in-reply-to|references)\s{0,4}[:\uff1a].*$",
    re.IGNORECASE | re.MULTILINE,
)
_SPEAKER = re.compile(  # a server's name says nothing about the mail: it may be that of a filter's maker
    r"(?:\b(?:host|server|relay|gateway|mta)[:=]?\s{1,3}<?|dns;\s?)(?:[\w-]{1,63}\.){1,10}[a-z]{2,24}\b"
    r"|(?<![\w./@-])(?:[\w-]{1,63}\.){1,10}[a-z]{2,24}(?=\s?[\[(]\d|:\d|\s?#\d|\s(?:said|rejected|responded|replied|gave)\b)",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"<[^\s<>@]{1,320}@[^\s<>@]{1,255}>")  # an address or a Message-ID
_ADDRESS = re.compile(r"[^\s<>()\[\]\",;:]{1,64}@[^\s<>()\[\]\",;:]{1,255}")


_ABOUT_SENDER = re.compile(
    r"(?i)after mail from|sender (?:address |domain |e-?mail )?(?:\S+ )?(?:rejected|denied|refused|unknown|not|does|invalid|verif)"
    r"|domain of (?:the )?sender|sender domain|my name was rejected|(?:unrouteable|unroutable|invalid|unverified|bad|unknown) sender"
    r"|(?:rdns|helo|ehlo)\b.{0,60}(?:invalid|reject|not|bad|mismatch)|invalid rdns|valid from:|mail from\b.{0,80}(?:reject|denied|refused|not exist)"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    category: Category
    hard: bool
    status: str = ""


def verdict(status: str, words: str) -> Verdict:
    """What a status (may be empty) and the server's words mean for the address."""
    words = own(words)[:_LONGEST]
    number, said = _said(words)
    known = status_in(status)
    if said and _is_general(known) and not _is_general(said):
        known = said
    known = known or said
    by_text = category_in(words) or "other"
    if by_text not in _REFINES and _ABOUT_SENDER.search(words):
        return Verdict("policy", hard=False, status=known)
    if known.startswith("4") or (number.startswith("4") and not said.startswith("5")):
        return Verdict(_for_now(known, by_text), hard=False, status=known)
    if exact := _HARD.get(known):
        if by_text in _SOFTENS:
            return Verdict(by_text, hard=False, status=known)
        named: Category = by_text if by_text in HARD else exact
        return Verdict(named, hard=True, status=known)
    family = _family(known)
    if family is not None:
        return Verdict(by_text if by_text in _REFINES else family, hard=False, status=known)
    if by_text == "other":
        by_text = "mailbox-full" if number == "552" else _UNPROVEN.get(known, "other")
        return Verdict(by_text, hard=False, status=known)
    return Verdict(by_text, hard=by_text in HARD, status=known)


def own(words: str) -> str:
    """What a server says itself: without the subject and the ids of the mail that it speaks of."""
    return _CITED.sub("", words)


def without_addresses(words: str) -> str:
    """The words with `@` for every address: whose it is says nothing about the mail."""
    return _ADDRESS.sub("@", words)


def status_in(text: str) -> str:
    """The first enhanced status (RFC 3463) in a text; the numbers of an IP address are none."""
    found = _STATUS.search(text)
    return found[1] if found else ""


def is_open(status: str, words: str) -> bool:
    """Whether neither the status nor the words tell anything definite, so that other words may."""
    known = status_in(status)
    return (
        _is_general(known)
        or known in _UNPROVEN
        or (known not in _HARD and _family(known) is None and category_in(words) is None)
    )


def category_in(words: str) -> Category | None:
    """What the words alone say, in the languages and phrases that servers use."""
    plain = _SPEAKER.sub("host", without_addresses(own(words)[:_LONGEST]))
    return next((category for category, pattern in _PHRASES if pattern.search(plain)), None)


def _said(words: str) -> tuple[str, str]:
    """The number and the enhanced status of the answer within the words; what stands in an id is neither."""
    first, words = "", _BRACKETED.sub("<@>", words)
    for found in _ANSWER.finditer(words):
        if found[2]:
            return found[1], found[2]
        if not first and _BEFORE_AN_ANSWER.search(words, max(0, found.start() - 40), found.start()):
            first = found[1]
    return first, status_in(words)


def _is_general(status: str) -> bool:
    return not status or status.endswith(".0.0")


def _for_now(status: str, by_text: Category) -> Category:
    if by_text in _REFINES:
        return by_text
    if status == "4.2.2":
        return "mailbox-full"
    return "too-large" if status in ("4.2.3", "4.3.4") else "temporary"


_HARD: Final[dict[str, Category]] = {
    "5.1.1": "unknown-address",
    "5.1.2": "domain-unknown",
    "5.1.3": "unknown-address",
    "5.1.6": "unknown-address",
    "5.1.10": "unknown-address",
    "5.2.1": "mailbox-disabled",
    "5.4.310": "domain-unknown",
}
_SOFT: Final[dict[str, Category]] = {
    "5.1.7": "policy",
    "5.1.8": "blocked-reputation",
    "5.1.90": "quota-of-sender",
    "5.2.2": "mailbox-full",
    "5.2.3": "too-large",
    "5.2.121": "temporary",
    "5.2.122": "temporary",
    "5.3.1": "temporary",
    "5.3.2": "temporary",
    "5.3.4": "too-large",
    "5.4.2": "temporary",
    "5.4.5": "quota-of-sender",
    "5.4.7": "temporary",
    "5.7.64": "relaying",
    "5.7.54": "relaying",
    "5.7.232": "quota-of-sender",
    "5.7.233": "quota-of-sender",
    "5.7.705": "quota-of-sender",
    "5.7.750": "quota-of-sender",
    "5.7.25": "blocked-reputation",
    "5.7.708": "blocked-reputation",
}
_UNPROVEN: Final[dict[str, Category]] = {
    "5.4.1": "temporary",
    "5.4.4": "domain-unknown",
}


def _family(status: str) -> Category | None:
    """The category of a status that is definite, though not about the address."""
    if exact := _SOFT.get(status):
        return exact
    number = int(status.rpartition(".")[2]) if status else 0
    if status.startswith("5.7."):
        return "blocked-reputation" if 606 <= number <= 649 or number == 511 else "policy"  # noqa: PLR2004  Exchange: banned addresses
    return "blocked-content" if status.startswith("5.6.") else None


_REFINES: Final[frozenset[Category]] = frozenset(
    {"quota-of-sender", "blocked-reputation", "blocked-content", "relaying", "mailbox-full", "too-large"}
)
_SOFTENS: Final[frozenset[Category]] = frozenset(
    {"quota-of-sender", "blocked-reputation", "blocked-content", "mailbox-full", "temporary"}
)


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


# The first that matches decides: what softens comes before what condemns.
_PHRASES: Final[tuple[tuple[Category, re.Pattern[str]], ...]] = (
    ("quota-of-sender", _any(
        r"(?:daily|hourly)(?: user)? sending (?:limit|quota)|sending (?:limit|quota)s? (?:was |has been )?exceeded",
        r"exceeded the max\w*(?: number of)? (?:emails|messages|defers|recipients)",
        r"submission quota exceeded|reached (?:a|your|the) (?:daily )?limit for (?:sending|message)",
        r"sender(?:'s)? (?:daily |hourly )?(?:quota|limit)|(?:quota|limit) (?:of|for) (?:the )?sender",
        r"(?:reached|exceeded|over) your (?:daily |hourly )?(?:relay|sending|outgoing|message|recipient)\w* (?:quota|limit|rate)",
    )),
    ("temporary", _any(
        r"receiving mail (?:too quickly|at a rate)|rate that prevents|too many (?:messages|connections|errors)",
        r"gr[ea]y-?list|temporar(?:y|il)(?!y (?:disabled|inactive))[^.]{0,40}(?:fail|problem|unavailable|deferred|error)",
    )),
    ("blocked-reputation", _any(
        r"spamhaus|spamcop|barracuda(?:central)?|sorbs|uceprotect|surbl|invaluement|mailspike|senderbase|senderscore",
        r"\bdnsbl\b|\brbls?\b|(?<!may be )black ?-?list|block ?-?list|(?<!not )\blisted (?:at|in|on|by)\b|reputation|bad ip\b",
        r"banned sending ip|\bip\b[^.]{0,60}\b(?:block|banned|denied|rejected)|block\w*[^.]{0,40}\bip\b",
        r"(?:host|server|network|client)\b.{0,60}\bblocked|part of their network is on|unexpected volume|user complaints",
        r"no (?:ptr|reverse dns)|reverse (?:dns|lookup|hostname)|ptr record|dynamic ip|dial-?up|invalid ip\b|client ip\b",
    )),
    ("blocked-content", _any(
        r"\bspam(?!assassin\.org)|\bjunk\b|unsolicited|\buce\b|bulk (?:e-?)?mail|virus|malware|phishing|trojan|infected",
        r"content (?:was |is )?(?:rejected|blocked|denied|not accepted)|(?:prohibited|forbidden|blocked) (?:content|attachment)",
        r"(?:attachment|executable|file type)s?\b.{0,60}(?:not (?:allowed|permitted|accepted)|rejected|blocked|prohibited)",
        r"suspicious|message (?:looks|seems|appears)|header (?:error|check)|banned (?:file|name|content)",
    )),
    ("relaying", _any(
        r"rela(?:y|ying)[^.]{0,30}(?:denied|not (?:permitted|allowed)|prohibited|refused|rejected)|unable to relay",
        r"do(?:es)? not relay|cannot relay|not (?:permitted|allowed) to relay|allowed rcpthosts|open relay",
        r"relay(?:ing)? access denied|we don'?t relay|no relay",
    )),
    ("mailbox-full", _any(
        r"(?:mail ?box|inbox|account|user|recipient|mail ?folder|mail ?drop|storage|disk)\b.{0,60}"
        r"(?:\bfull\b|over.?quota|over its quota|quota exceed|exceed\w* (?:\w+ ){0,3}(?:quota|storage|limit|space))",
        r"over.?quota|quota (?:has been |is |was )?(?:full|exceed|violat)|exceed\w* (?:\w+ ){0,3}(?:quota|storage)",
        r"(?:mailbox|quota)\b[^\n]{0,30}exceeds|out of (?:storage|disk)|insufficient (?:disk|storage|system storage)|not enough (?:disk|storage|space)",
        r"no space left|mailbox (?:is )?full|too much mail|full mailbox|mail ?box size limit|disk quota",
        r"postfach (?:\S+ ){0,4}(?:voll|überfüllt)|speicherplatz|quota (?:überschritten|erschöpft)",
        r"bo[iî]te (?:\S+ ){0,4}pleine|quota dépassé|buz[oó]n (?:\S+ ){0,3}llen[oa]|espacio insuficiente|casella (?:\S+ ){0,4}piena",
        r"postvak (?:\S+ ){0,3}vol\b|mailbox (?:\S+ ){0,2}vol\b|skrzynk\w+ (?:\S+ ){0,3}(?:pe[łl]na|przepe[łl]niona)",
        r"caixa (?:\S+ ){0,4}cheia|メールボックス.{0,12}(?:一杯|いっぱい|満|容量)|容量.{0,12}(?:超|不足|オーバー)|переполнен",
    )),
    ("too-large", _any(
        r"(?:message|mail|file|attachment)\b.{0,40}(?:too (?:large|big)|exceeds|size (?:limit|exceed))|too (?:large|big)\b",
        r"size limit|maximum (?:allowed )?(?:message )?size|exceeds (?:the )?(?:fixed )?(?:max\w*|size)",
        r"zu groß|trop (?:volumineux|gros)|demasiado grande|troppo grande|te groot|zbyt du|muito grande|サイズ.{0,12}(?:超|大き)",
    )),
    ("domain-unknown", _any(
        r"host or domain name not found(?!.{0,80}try again)|(?:host|domain)(?: name)? (?:unknown|not found)(?!.{0,40}try again)",
        r"(?:no such|unknown|invalid|illegal|bad|nonexistent) (?:domain|host|destination host)|nxdomain|dns[^.]{0,40}non-?existent",
        r"domain\b.{0,80}(?:does ?n[o']t exist|doesn't exist|couldn'?t be found|could not be found|(?<!may )not exist|is not found|non-?existent)",
        r"find (?:any host|a mail exchanger)|no smtp service|does not accept mail|dns lookup fail\w*|\bhost \S{1,255} not found|"
        r"infodomainnonexistent|non-?existent(?: mail)? domain|unrouteable mail domain|couldn'?t find any host|no host found",
        r"(?:all relevant )?mx records point to non|null mx|does not accept (?:e-?)?mail \(null|domain does not accept mail",
        r"domain (?:does not|doesn't) (?:exist|have)|dns domain|no mx (?:record|host)s? (?:found|for|exist)|has no mx|in the domain name system",
        r"dom(?:äne|ain) (?:\S+ ){0,3}(?:existiert nicht|unbekannt)|domaine (?:\S+ ){0,3}(?:inconnu|n'existe)|dominio (?:\S+ ){0,4}(?:no existe|inesistente|non esiste)",
    )),
    ("mailbox-disabled", _any(
        r"(?:account|mail ?box|user|address|recipient)s?\b.{0,60}\b(?:is|are|has been|was|been|currently) (?:\w+ )?(?<!temporarily )"
        r"(?:disabled|inactive|deactivated|suspended|discontinued|closed|frozen|not active|locked|expired)\b",
        r"(?:account|mail ?box|user) (?:disabled|inactive|deactivated|suspended|frozen|expired|closed|locked)\b",
        r"(?:disabled|inactive|suspended|deactivated|closed|locked) (?:account|mail ?box|user|recipient|address)",
        r"no longer (?:active|available|accepting|accepts|in (?:use|service)|valid|used|monitored)",
        r"konto (?:\S+ ){0,4}(?:gesperrt|deaktiviert)|compte (?:\S+ ){0,4}désactivé|cuenta (?:\S+ ){0,4}(?:desactivada|deshabilitada)",
        r"account (?:\S+ ){0,3}(?:disattivat|disabilitat|opgeheven|geblokkeerd)|konto (?:\S+ ){0,4}(?:zablokowane|nieaktywne)",
        r"conta (?:\S+ ){0,4}desativada|заблокирован",
    )),
    ("unknown-address", _any(
        r"(?:user|recipient|mail ?box|account|address|addressee|member|alias|mail ?drop)s?\b[^\n]{0,60}?(?:unknown|(?<!may )not (?:be )?(?:found|known|exist|listed|valid|"
        r"recognized|a valid|our customer|registered|here|present)|does ?n[o']t exist|doesn't exist|isn't (?:found|valid)|non-?existent|invalid|is not a known)",
        r"(?:unknown|invalid|no such|bad|nonexistent|non-existent|not a valid|unrecogni[sz]ed|illegal|incorrect|undefined|wrong) "
        r"(?:\w+ )?(?:user|recipient|mail ?box|account|address|person|name|member|alias|customer|local|login|addressee)",
        r"no (?:mail ?box|account|user|recipient|one|person|such) (?:\w+ ){0,4}(?:by that name|here|with (?:that|this)|named?|there|found|exist|user|address)",
        r"(?:does ?n[o']t|doesn't) (?:have|like) (?:an? )?(?:\S+ )?(?:account|recipient)|not (?:our|a) customer|unknown user|user unknown|nosuchuser",
        r"mailbox (?:is )?unavailable|mailbox not available|unrouteable address|unroutable address|address (?:couldn'?t|could not|wasn'?t) be? ?found",
        r"recipient ?not ?found|recipnotfound|invalid ?recipient|badrecipient|resolver\.adr\.|recipient address rejected: (?:access denied|undeliverable|invalid|user|unknown)",
        r"address rejected(?!:)|recipient (?:was )?rejected(?!:)|(?:account|user|mailbox) (?:has been |was )?(?:deleted|removed)|not listed in|user not listed",
        r"no longer (?:with|works?|employed|exists?|here|at)|left the company|does not (?:work|exist)|couldn'?t be found|wasn'?t found at|email account does not exist|"
        r"does not exist|(?<!may )not exist\b|userid|no valid recipients?|unknown to (?:this|the)|don'?t know|destination (?:address|mailbox) (?:unknown|not)|no se encontr",
        r"(?:empfänger|benutzer|adresse|postfach|account)\b[^\n]{0,60}?(?:unbekannt|existiert nicht|nicht gefunden|nicht bekannt|ungültig|nicht vorhanden)",
        r"unbekannte[rns]? (?:empfänger|benutzer|adress)|existiert nicht|gibt es nicht",
        r"(?:utilisateur|destinataire|adresse|boîte|compte)\b[^\n]{0,60}?(?:inconnu|n['’]existe pas|introuvable|invalide|n['’]a pas été trouvé|inexistant)",
        r"(?:usuario|destinatario|direcci[oó]n|buz[oó]n|cuenta)\b[^\n]{0,60}?(?:desconocid|no existe|no encontrad|inv[aá]lid|no se ha encontrado|inexistente)",
        r"(?:utente|destinatario|indirizzo|casella|account)\b[^\n]{0,60}?(?:sconosciut|non esiste|inesistente|non trovat|non valid|non è stato trovato)",
        r"(?:gebruiker|ontvanger|adres|postvak|account|e-mailadres)\b[^\n]{0,60}?(?:onbekend|bestaat niet|niet gevonden|ongeldig|kan niet worden gevonden)",
        r"(?:użytkownik|odbiorc|adres|skrzynk|konto)\w*[^\n]{0,60}?(?:nieznan|nie istnieje|nie znalezion|nie został znalezion|nieprawidłow)|nieznany (?:użytkownik|odbiorca|adres)",
        r"(?:usuário|utilizador|destinatário|endereço|caixa|conta)\b[^\n]{0,60}?(?:desconhecid|não existe|inexistente|não (?:foi )?encontrad|inválid)",
        r"存在しま(?:せん|ない)|見つかりません(?:でした)?|(?:宛先|ユーザー?|アドレス).{0,16}(?:不明|ありません|存在)|該当.{0,12}(?:ユーザ|アドレス).{0,8}(?:いません|ありません)",
        r"(?:användare|mottagare|adress|bruger|modtager|mottaker|adresse)n?\b[^\n]{0,60}?(?:okänd|finns inte|ukendt|ukjent|findes ikke|finnes ikke|hittades inte)",
        r"(?:пользовател|получател|адрес|ящик)\w*[^\n]{0,60}?(?:не существует|не найден|неизвест)|(?:用户|收件人|邮箱|地址|帐户|账户|用戶|信箱)[^可]{0,12}不存在|找不到(?:收件|用户|邮箱)",
    )),
    ("temporary", _any(
        r"try (?:again|later)|plus tard|später|más tarde|più tardi|later\b|giving up|failed \d+ attempts|failing for a long|temporar|timed? ?-?out|connection (?:refused|reset|lost|dropped|attempts? failed|failed)|connect(?:ed)? to\b[^\n]{0,80}(?:fail|refused|time)",
        r"retry time|retry timeout|retr(?:y|ies)\b|message expired|expired|too long in the queue|in queue too long|delivery time|deferred|delayed|"
        r"could not (?:connect|be contacted)|unreachable|no route to host|not (?:responding|reachable)|did not respond|(?:service|server) (?:is )?currently|server (?:busy|not available|unavailable)|no answer",
        r"lost connection|service (?:temporarily )?unavailable|resources|loop|hop count|too many hops",
    )),
    ("policy", _any(
        r"polic(?:y|ies)|not authori[sz]ed|unauthori[sz]ed|access (?:is )?denied|permission|administrative(?:ly)? prohibit|\bdmarc\b|\bspf\b|\bdkim\b",
        r"authenticat|restricted|not (?:permitted|allowed)|denied|refused|rejected|prohibited|blocked|not accept",
    )),
)  # fmt: skip
