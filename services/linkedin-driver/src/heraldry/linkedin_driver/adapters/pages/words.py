"""What LinkedIn writes on its controls, in English, German and Swedish, in patterns that JavaScript reads, too.

Words come after structure: they are what a page is read by where nothing else tells two controls apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """A meaning, and how it is spelled."""

    meaning: str
    pattern: re.Pattern[str]

    def found_in(self, text: str) -> bool:
        return self.pattern.search(text) is not None


def whole(meaning: str, *spellings: str) -> Words:
    """Nothing else may stand beside them: "Sign in" is not "Sign in with Apple"."""
    return Words(meaning, re.compile(rf"^\s*(?:{'|'.join(spellings)})\s*$", re.IGNORECASE))


def begins(meaning: str, *spellings: str) -> Words:
    return Words(meaning, re.compile(rf"^\s*(?:{'|'.join(spellings)})", re.IGNORECASE))


def within(meaning: str, *spellings: str) -> Words:
    return Words(meaning, re.compile(rf"(?:{'|'.join(spellings)})", re.IGNORECASE))


ANYTHING: Final = re.compile(r"\S")

# --- signing in
SIGN_IN: Final = whole("sign in", "sign in", "log in", "einloggen", "anmelden", "logga in")
EMAIL: Final = begins("email or phone", "e-?mail", "e-post", "telefon", "phone")
PASSWORD: Final = begins("password", "password", "passwort", "lösenord")
REJECT: Final = whole(
    "reject", "reject( all)?", "decline", "(alle )?ablehnen", "avvisa( alla)?", "neka( alla)?"
)
ACCEPT_COOKIES: Final = whole(
    "accept", "accept( all)?", "(alle )?akzeptieren", "(alle )?annehmen", "godkänn( alla)?"
)
AGREE: Final = begins("agree", "agree", "zustimmen", "ich stimme zu", "godkänn", "jag godkänner")
WELCOME_BACK: Final = within("welcome back", "welcome back", "willkommen zurück", "välkommen tillbaka")
ANOTHER_ACCOUNT: Final = within("another account", "another account", "anderen? konto", "annat konto")
ONE_TIME_LINK: Final = within(
    "one-time link sent",
    r"(sent|emailed).{0,20}one-time link",
    r"einmaligen? link.{0,80}(gesendet|geschickt)",
    r"(skickat|mejlat).{0,30}engångslänk",
)
UNKNOWN_ACCOUNT: Final = within(
    "unknown account",
    r"couldn.?t find a linkedin account",
    r"(hmm, )?we don.?t recognize that (email|phone)",
    r"(kein|nicht).{0,40}linkedin.?konto",
    r"(hittade|kunde) (inte|inget).{0,40}linkedin.?konto",
)
WRONG_PASSWORD: Final = within(
    "wrong password",
    r"not the right password",
    r"wrong email or password",
    r"(incorrect|wrong) password",
    r"password.{0,20}(incorrect|doesn.?t match)",
    r"(falsches|nicht das richtige|inkorrektes) passwort",
    r"passwort.{0,30}(falsch|stimmt nicht)",
    r"fel(aktigt)? lösenord",
    r"lösenordet.{0,30}(fel|stämmer inte|inte rätt)",
)
INVALID_INPUT: Final = within(
    "invalid input",
    r"please enter (a|an) ",
    r"must be between",
    r"geben sie .{0,30}ein",
    r"^ange ",
)
PROVIDERS: Final = {
    "google": within("google", r"\bgoogle\b"),
    "apple": within("apple", r"\bapple\b"),
    "microsoft": within("microsoft", r"\bmicrosoft\b"),
    "passkey": within("passkey", r"\bpasskey\b", r"lösennyckel", r"nyckel för inloggning"),
}

# --- checkpoints
CODE: Final = within("code", r"\bcode\b", r"\bpin\b", r"\bkod(en)?\b")
CODE_ASKED: Final = within(
    "code asked",
    r"(verification|security|access|authenticat\w+) code",
    r"enter (the|your) .{0,30}code",
    r"(bestätigungs|sicherheits|verifizierungs)code",
    r"(verifierings|säkerhets|bekräftelse)kod",
)
WRONG_CODE: Final = within(
    "wrong code",
    r"isn.?t valid",
    r"\binvalid\b",
    r"incorrect",
    r"ungültig",
    r"falsch",
    r"ogiltig",
    r"felaktig",
)
EXPIRED: Final = within("expired", r"expired", r"abgelaufen", r"(gått|löpt) ut")
DENIED: Final = within(
    "denied",
    r"(request|sign-in).{0,20}(was |has been )?denied",
    r"(abgelehnt|verweigert)",
    r"(nekades|avvisades)",
)
BY_APP: Final = within(
    "by authenticator",
    r"authenticat(or|ion) app",
    r"authentifizierungs.?app",
    r"authenticator",
    r"autentiserings",
)
BY_SMS: Final = within(
    "by SMS", r"phone number", r"\bsms\b", r"text message", r"telefonnummer", r"mobilnummer"
)
BY_EMAIL: Final = within("by email", r"\be-?mail", r"e-post")
SUBMIT: Final = begins(
    "submit",
    "submit",
    "verify",
    "continue",
    "senden",
    "bestätigen",
    "weiter",
    "skicka",
    "verifiera",
    "fortsätt",
)
RESEND: Final = within(
    "resend",
    r"resend",
    r"send (a )?new code",
    r"didn.?t (get|receive)",
    r"(erneut|nochmals?|neu\w*).{0,10}(senden|anfordern)",
    r"skicka (en ny|.{0,20}igen|.{0,20}på nytt)",
)
ANOTHER_WAY: Final = within(
    "another way", r"(try )?another way", r"verify using", r"andere (methode|möglichkeit)", r"annat sätt"
)
APPROVE_IN_APP: Final = within(
    "approve in the app",
    r"(check|open) your linkedin app",
    r"notification to your (signed|logged)[- ]in device",
    r"tap yes",
    r"yes, it.?s me",
    r"(öffnen|prüfen|überprüfen) sie ihre linkedin.?app",
    r"(öppna|kontrollera|kolla) (din )?linkedin.?app",
)
CAPTCHA: Final = within(
    "captcha",
    r"quick security check",
    r"verify (that )?you.?re (a )?human",
    r"captcha",
    r"not a robot",
    r"kurze sicherheits(über)?prüfung",
    r"(kein|nicht ein) roboter",
    r"snabb säkerhets(kontroll|koll)",
    r"inte (är )?en robot",
)
RESTRICTED: Final = within(
    "restricted",
    r"account.{0,30}(has been|is).{0,20}restricted",
    r"restricted your account",
    r"konto.{0,60}eingeschränkt",
    r"konto.{0,60}begränsats",
    r"begränsat ditt konto",
)
TOO_MUCH: Final = within(
    "too much",
    r"too many requests",
    r"commercial use limit",
    r"unusual(ly high)? (activity|number)",
    r"zu viele anfragen",
    r"för många (förfrågningar|begäranden|försök)",
)
IDENTITY_CHECK: Final = within(
    "identity check",
    r"verify your identity",
    r"identität.{0,20}(bestätigen|verifizieren)",
    r"(verifiera|bekräfta) din identitet",
)
PHONE_ASKED: Final = within(
    "phone asked", r"enter your phone number", r"telefonnummer (ein|an)", r"ange ditt (telefon|mobil)nummer"
)

# --- profiles
CONNECT: Final = whole("connect", "connect", "vernetzen", "anslut", "skapa kontakt", "knyt kontakt")
PENDING: Final = begins("pending", r"pending\b", r"ausstehend\b", r"väntande\b", r"väntar\b")
FOLLOW: Final = begins("follow", r"follow(ing)?\b", r"folgen\b", r"följ(er)?\b", r".+ folgen$")
MORE: Final = whole("more", "more( actions)?", "mehr", "weitere aktionen", "mer", "fler åtgärder")
MESSAGE: Final = begins("message", r"message\b", r"nachricht\b", r"meddelande\b", r"skicka meddelande\b")
REMOVE_CONNECTION: Final = within(
    "remove connection", r"remove (your )?connection", r"kontakt entfernen", r"ta bort (som )?kontakt"
)
ACCEPT: Final = begins("accept", r"accept\b", r"annehmen\b", r".+ annehmen$", r"acceptera\b", r"godkänn\b")
IGNORE: Final = begins("ignore", r"ignore\b", r"ignorieren\b", r".+ ignorieren$", r"ignorera\b")
NO_SUCH_PAGE: Final = within(
    "no such page", r"page doesn.?t exist", r"seite (existiert|gibt es) nicht", r"sidan finns inte"
)
DEGREE: Final = re.compile(
    r"^[·•\s]*(?:([123])\s*(?:st|nd|rd)\+?|([123])\.\+?|([123]):[ae]\+?)(?![\w/.-])"
    r"(?:\s*(?:degree connection|grades?|kontakt).*)?\s*$",
    re.IGNORECASE,
)

# --- invitations
INVITING: Final = within("invitation", r"invitation", r"invite", r"einladung", r"inbjudan")
WITHDRAWING: Final = within("withdraw", r"withdraw", r"zurückziehen", r"tillbaka", r"återkalla")
ADD_NOTE: Final = whole(
    "add a note",
    "add a (free )?note",
    "(eine )?(notiz|nachricht) hinzufügen",
    "lägg till (en |ett )?(anteckning|meddelande|notering)",
)
WITHOUT_NOTE: Final = whole(
    "send without a note",
    "send without a note",
    "send now",
    "ohne (notiz|nachricht) senden",
    "skicka utan (en |ett )?(anteckning|meddelande|notering)",
)
SEND_INVITATION: Final = whole("send", "send( invitation)?", "(einladung )?senden", "skicka( inbjudan)?")
EMAIL_GATE: Final = within(
    "email asked", r"enter their email", r"e-mail-adresse.{0,40}(ein|an)", r"ange .{0,30}e-post"
)
WEEKLY_LIMIT: Final = within(
    "weekly limit",
    r"weekly (invitation )?limit",
    r"(wöchentliche\w*|wochen).{0,30}(limit|einladung)",
    r"(vecko|veckans).{0,30}(gräns|inbjudning)",
)
NOT_DONE: Final = within(
    "not done",
    r"\bnot sent\b",
    r"unable to",
    r"(could|did)(n.?t| not) (send|withdraw)",
    r"failed to send",
    r"nicht (gesendet|verschickt|zurückgezogen)",
    r"konnte.{0,60}nicht",
    r"(kunde|gick) inte",
    r"skickades inte",
)
TRY_LATER: Final = within(
    "try again later",
    r"try again later",
    r"später.{0,20}(erneut|noch (ein)?mal)",
    r"försök igen senare",
)
NOTES_LEFT: Final = re.compile(
    r"(\d+)\s+(?:personali[sz]ed invitation|personalisierte|personlig)", re.IGNORECASE
)
COUNTER: Final = re.compile(r"(?<!\d)(\d{1,4})\s*/\s*(\d{2,5})(?!\d)")
WITHDRAW_NAMED: Final = re.compile(
    r"^\s*(?:withdraw(?:n)? invitation sent to (.+?)"
    r"|(?:an (.+?) gesendete einladung|einladung an (.+?)) zurückziehen"
    r"|(?:dra|ta) tillbaka inbjudan (?:som skickats )?till (.+?)"
    r"|återkalla inbjudan (?:som skickats )?till (.+?))\s*$",
    re.IGNORECASE,
)
WITHDRAW: Final = begins(
    "withdraw",
    r"withdraw\b",
    r"zurückziehen\b",
    r".+ zurückziehen$",
    r"dra tillbaka\b",
    r"ta tillbaka\b",
    r"återkalla\b",
)
CANCEL: Final = whole("cancel", "cancel", "abbrechen", "avbryt")
DISMISS: Final = begins(
    "dismiss", r"dismiss\b", r"close\b", r"schließen\b", r"verwerfen\b", r"stäng\b", r"avvisa\b"
)
LOAD_MORE: Final = begins(
    "load more",
    r"load more\b",
    r"show more results\b",
    r"mehr laden\b",
    r"mehr (ergebnisse )?anzeigen\b",
    r"weitere ergebnisse",
    r"(läs in|ladda|visa) fler",
)
_SENT = r"(?:sent|gesendet|verschickt|skickad(?:es)?|skickat)"
DAYS_OF: Final = {
    r"seconds?|minutes?|hours?|sekunden?|minuten?|stunden?|sekund(?:er)?|minut(?:er)?|timm(?:e|ar)": 0,
    r"days?|tag(?:en?)?|dag(?:ar)?": 1,
    r"weeks?|wochen?|veck(?:a|or)": 7,
    r"months?|monat(?:en?)?|månad(?:er)?": 30,
    r"years?|jahr(?:en?)?|år": 365,
}
LONG_AGO: Final = re.compile(  # how many, and of what; one of the other groups says that it is past
    rf"^\s*(?:{_SENT}\s+)?(?:(vor|för)\s+)?(\d{{1,4}}|an?|one|eine[mnr]?|en|ett)\s+({'|'.join(DAYS_OF)})"
    rf"(?:\s+(ago|sedan))?(?:\s+{_SENT})?\s*$",
    re.IGNORECASE,
)
LATELY: Final = re.compile(  # the group: not today
    rf"^\s*(?:{_SENT}\s+)?(?:today|just now|heute|gerade(?: eben)?|i ?dag|nyss|(yesterday|gestern|i ?går))"
    rf"(?:\s+(?:at|um|kl\.?)\s+[\d:.]+(?:\s*(?:[ap]\.?m\.?|uhr))?)?(?:\s+{_SENT})?\s*$",
    re.IGNORECASE,
)
CONNECTED_ON: Final = begins(
    "connected on",
    r"connected (on )?",
    r"vernetzt (am|seit)?",
    r"kontakt (seit|sedan)",
    r"(blev )?kontakt(er)? (den|sedan)",
    r"ansluten",
)

PEOPLE: Final = begins("people", r"people\s*\(", r"personen\s*\(", r"personer\s*\(")
CONNECTIONS: Final = within(
    "connections", r"\d\s+(connections?|kontakte?n?|kontakter)\b", r"(connections|kontakte|kontakter)\s*\(?\d"
)
NOBODY: Final = whole(
    "nobody",
    r"no (sent|pending) invitations?.*",
    r"no (new )?(invitations|connections).*",
    r"you (haven.?t|have not|don.?t have) .*(invitation|connection).*",
    r"keine .*(einladungen|kontakte).*",
    r"sie haben (noch )?keine .*",
    r"(inga|du har inga) .*",
)

# --- messages
WRITE: Final = within(
    "write a message",
    r"write a message",
    r"nachricht (schreiben|verfassen)",
    r"schreiben sie eine nachricht",
    r"skriv (ett )?meddelande",
)
SEND: Final = whole("send", "send", "senden", "skicka")
SUBJECT: Final = begins("subject", r"subject\b", r"betreff\b", r"ämne\b")
SALES_NAV: Final = whole("Sales Nav", r"sales nav(igator)?")
