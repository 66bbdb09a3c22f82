"""What Google and Microsoft answer to a sign-in or to a token request, and what it means. Pure.

The OAuth `error` decides first where it is definite, then Microsoft's AADSTS number, then `suberror` and
`classification`, and the text last. Microsoft warns that numbers change, so an unknown one still ends in the class
of its `error`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, cast
from urllib.parse import parse_qsl

from heraldry.mailbox.domain.aadsts import NUMBERS, family
from heraldry.mailbox.domain.diagnosis import Diagnosis, failure_in, finding, tidy

Provider: TypeAlias = Literal["google", "microsoft"]

_HIGHEST: Final = 1_000_000_000
_LONGEST: Final = 64 << 10  # characters of an answer that are read
_NUMBER: Final = re.compile(r"AADSTS(\d{4,9})")
_STATUS: Final = re.compile(
    r"(?:^|HTTP/[\d.]+ |\b(?:error|status|code)[ :=]{1,3})([45]\d\d)\b", re.IGNORECASE
)
_WORD: Final = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
_QUOTED: Final = re.compile(
    r"['\"](error|error_description|suberror|error_subtype|classification)['\"]\s*:\s*['\"]([^'\"]{0,2000})"
)
_TOKENS: Final = re.compile(
    r"((?:['\"]?(?:access_token|refresh_token|id_token|client_secret)['\"]?\s*(?::\s*['\"]|=)|(?<=[?&#])code=))[^'\"&\s]{8,}"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer taken apart. Empty where it says nothing; `status` is HTTP's, 0 where it is not known."""

    error: str = ""
    description: str = ""
    numbers: tuple[int, ...] = ()
    suberror: str = ""
    classification: str = ""
    status: int = 0
    scope: str | None = None


def parsed(answer: str) -> Answer:
    """An answer as it came: a token endpoint's JSON, a redirect or its query, or text."""
    answer = answer[:_LONGEST]
    fields = _json(answer) or _query(answer) or {}
    if not fields:
        fields = dict(_QUOTED.findall(answer))
    text = f"{fields.get('error_description', '')} {answer}"
    numbers = (*_integers(fields.get("error_codes")), *map(int, _NUMBER.findall(text)))
    inner = fields.get("error")
    error, status = str(inner or ""), 0
    description = str(fields.get("error_description") or "")
    if isinstance(inner, dict):  # an API's error: Google's and Graph's
        api = cast("Mapping[str, object]", inner)
        code, status = api.get("code"), _integer(api.get("code"))
        error = _reason(api) or (str(code) if isinstance(code, str) else "")
        description = str(api.get("message") or "")
    elif not error:
        error = next((word for word in _WORD.findall(answer) if word in _ERRORS), "")
    found = _STATUS.search(answer.strip())
    scope = fields.get("scope")
    return Answer(
        error=error.strip()[:100],
        description=(description or answer)[:4_000],
        numbers=tuple(dict.fromkeys(numbers))[:20],
        suberror=str(
            fields.get("suberror") or fields.get("error_subtype") or fields.get("error_subcode") or ""
        )[:100],
        classification=str(fields.get("classification") or "")[:100],
        status=status or (int(found[1]) if found else 0),
        scope=scope if isinstance(scope, str) and not error else None,
    )


def diagnose(provider: Provider, said: Answer, *, connected_before: bool = False) -> Diagnosis:
    """What an answer means. `connected_before`: this inbox had worked, so what fails now was changed or ended."""
    code = _code(provider, said)
    if connected_before and code == "credentials.invalid":
        code = "credentials.changed"
    return replace(finding(code, provider), words=shown(tidy(said.description)))


def shown(answer: str) -> str:
    """An answer without what nobody else may see: tokens, codes, secrets."""
    return _TOKENS.sub(r"\1…", answer)


def _code(provider: Provider, said: Answer) -> str:
    if code := _DEFINITE.get(said.error):
        return code
    if said.status == 429 or 500 <= said.status < 600:  # noqa: PLR2004  HTTP's own classes
        return "provider.throttled" if said.status == 429 else "provider.unavailable"  # noqa: PLR2004
    if not said.error and not said.numbers and failure_in(said.description):
        return "network.failed"
    return _google(said) if provider == "google" else _microsoft(said)


_DEFINITE: Final = {
    "temporarily_unavailable": "provider.unavailable",
    "server_error": "provider.unavailable",
    "internal_failure": "provider.unavailable",
    "slow_down": "provider.throttled",
    "rate_limit_exceeded": "provider.throttled",
    "too_many_requests": "provider.throttled",
    "TooManyRequests": "provider.throttled",
    "ApplicationThrottled": "provider.throttled",
    "activityLimitReached": "provider.throttled",
    "rateLimitExceeded": "provider.throttled",
    "userRateLimitExceeded": "provider.throttled",
    "quotaExceeded": "provider.throttled",
    "dailyLimitExceeded": "provider.throttled",
    "RESOURCE_EXHAUSTED": "provider.throttled",
    "UNAVAILABLE": "provider.unavailable",
    "INTERNAL": "provider.unavailable",
    "backendError": "provider.unavailable",
    "ServiceNotAvailable": "provider.unavailable",
    "serviceNotAvailable": "provider.unavailable",
    "generalException": "provider.unavailable",
    "timeout": "provider.unavailable",
}

# --- Microsoft ------------------------------------------------------------------------------------

_BY_SUBERROR: Final = {
    "consent_required": "consent.required",
    "user_password_expired": "credentials.expired",
    "bad_token": "grant.invalid",
    "token_expired": "grant.expired",
    "protection_policy_required": "policy.conditional-access",
    "device_authentication_failed": "policy.conditional-access",
    "client_mismatch": "operator.app-misconfigured",
    "cancel": "consent.declined",
    "additional_action": "policy.conditional-access",
    "message_only": "policy.blocked",
    "basic_action": "grant.sign-in-needed",
}
_MICROSOFT: Final = {
    "invalid_grant": "grant.invalid",
    "interaction_required": "grant.sign-in-needed",
    "login_required": "grant.sign-in-needed",
    "account_selection_required": "grant.sign-in-needed",
    "consent_required": "consent.required",
    "invalid_client": "operator.client-secret",
    "unauthorized_client": "operator.app-misconfigured",
    "invalid_request": "operator.app-misconfigured",
    "invalid_scope": "operator.app-misconfigured",
    "invalid_resource": "operator.app-misconfigured",
    "unsupported_grant_type": "operator.app-misconfigured",
    "unsupported_response_type": "operator.app-misconfigured",
    "invalid_token": "grant.invalid",
    "insufficient_scope": "consent.scopes-missing",
    "InvalidAuthenticationToken": "grant.invalid",
    "CompactToken": "grant.invalid",
    "unauthenticated": "grant.invalid",
    "ErrorAccessDenied": "access.denied",
    "accessDenied": "access.denied",
    "Authorization_RequestDenied": "consent.admin-required",
    "MailboxNotEnabledForRESTAPI": "access.no-mailbox",
    "MailboxNotHostedInExchangeOnline": "access.no-mailbox",
    "ErrorNonExistentMailbox": "access.no-mailbox",
    "ErrorSendAsDenied": "sender.refused",
    "ErrorExceededMessageLimit": "provider.quota-exceeded",
    "ErrorMessageSubmissionBlocked": "provider.quota-exceeded",
    "ErrorQuotaExceeded": "mailbox.full",
}
_MICROSOFT_TEXTS: Final = (
    (r"need(?:s)? (?:admin|administrator) approval|approval required|admin(?:istrator)? (?:consent|approval)", "consent.admin-required"),
    (r"request (?:has been )?sent|awaiting approval|pending approval", "consent.admin-requested"),
    (r"conditional access", "policy.conditional-access"),
    (r"multi-?factor|\bmfa\b", "mfa.required"),
    (r"has not (?:been )?consented|consent to use", "consent.required"),
    (r"(?:declined|denied|cancel\w*) (?:to )?(?:consent|access|the)|user (?:declined|cancel)", "consent.declined"),
    (r"client secret|client assertion", "operator.client-secret"),
    (r"expired|revoked|inactiv", "grant.expired"),
    (r"redirect (?:uri|address)|reply (?:url|address)", "operator.redirect-address"),
    (r"temporar|try again|throttl|unavailable", "provider.unavailable"),
)  # fmt: skip


def _microsoft(said: Answer) -> str:
    for number in said.numbers:
        if code := NUMBERS.get(number):
            return code
    if code := _BY_SUBERROR.get(said.suberror) or _BY_SUBERROR.get(said.classification):
        return code
    if said.error == "access_denied":
        by_text = _by_text(_MICROSOFT_TEXTS, said.description)
        return by_text or ("policy.blocked" if said.numbers else "consent.declined")
    if code := _MICROSOFT.get(said.error):
        return code
    if said.scope is not None:
        return _granted(said.scope, _MICROSOFT_SCOPES)
    for number in said.numbers:
        if code := family(number):
            return code
    return _by_text(_MICROSOFT_TEXTS, said.description) or _by_status(said.status)


# --- Google ---------------------------------------------------------------------------------------

_GOOGLE: Final = {
    "invalid_rapt": "grant.session-ended",
    "rapt_required": "grant.session-ended",
    "admin_policy_enforced": "consent.admin-required",
    "access_not_configured": "consent.admin-required",
    "policy_enforced": "consent.admin-required",
    "domainPolicy": "consent.admin-required",
    "org_internal": "operator.app-internal",
    "invalid_client": "operator.client-secret",
    "deleted_client": "operator.app-misconfigured",
    "disabled_client": "operator.app-misconfigured",
    "unauthorized_client": "operator.app-misconfigured",
    "redirect_uri_mismatch": "operator.redirect-address",
    "origin_mismatch": "operator.redirect-address",
    "invalid_request": "operator.app-misconfigured",
    "invalid_scope": "operator.app-misconfigured",
    "disallowed_useragent": "operator.app-misconfigured",
    "unsupported_grant_type": "operator.app-misconfigured",
    "unsupported_response_type": "operator.app-misconfigured",
    "accessNotConfigured": "operator.api-disabled",
    "SERVICE_DISABLED": "operator.api-disabled",
    "interaction_required": "grant.sign-in-needed",
    "login_required": "grant.sign-in-needed",
    "consent_required": "consent.required",
    "invalid_token": "grant.invalid",
    "authError": "grant.invalid",
    "UNAUTHENTICATED": "grant.invalid",
    "insufficient_scope": "consent.scopes-missing",
    "insufficientPermissions": "consent.scopes-missing",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "consent.scopes-missing",
    "failedPrecondition": "access.no-mailbox",
    "FAILED_PRECONDITION": "access.no-mailbox",
    "delegationDenied": "access.denied",
}
_GOOGLE_TEXTS: Final = (
    (r"admin_policy_enforced|administrator|your (?:organization|admin)", "consent.admin-required"),
    (r"(?:currently )?being tested|verification process|developer hasn.t given you access|test users?", "operator.app-in-testing"),
    (r"insufficient (?:authentication )?scopes?|insufficient permission", "consent.scopes-missing"),
    (r"mail service not enabled", "access.no-mailbox"),
    (r"app(?:lication)?-specific password", "credentials.app-password-needed"),
    (r"reauth|invalid_rapt", "grant.session-ended"),
    (r"(?:account|user) (?:has been |is )?(?:deleted|disabled|suspended)|disabled account", "account.disabled"),
    (r"auth(?:orization)? code|code was already redeemed|malformed auth|code verifier", "sign-in.repeated"),
    (r"expired or revoked|revoked", "grant.revoked"),
    (r"expired", "grant.expired"),
    (r"redirect_?uri", "operator.redirect-address"),
    (r"temporar|try again|unavailable|rate limit|quota", "provider.unavailable"),
)  # fmt: skip


def _google(said: Answer) -> str:
    if code := _GOOGLE.get(said.suberror) or _GOOGLE.get(said.error):
        return code
    by_text = _by_text(_GOOGLE_TEXTS, said.description)
    if said.error == "invalid_grant":
        return by_text if by_text.startswith(("grant.", "sign-in.", "account.")) else "grant.invalid"
    if said.error == "access_denied":
        return by_text if by_text.startswith(("consent.", "operator.")) else "consent.declined"
    if said.scope is not None:
        return _granted(said.scope, _GOOGLE_SCOPES)
    return by_text or _by_status(said.status)


# --- both -----------------------------------------------------------------------------------------

_GOOGLE_SCOPES: Final = (frozenset({"https://mail.google.com/"}),)
_MICROSOFT_SCOPES: Final = (
    frozenset({"mail.send", "smtp.send"}),
    frozenset({"mail.read", "mail.readwrite", "imap.accessasuser.all"}),
)
_ERRORS: Final = (
    frozenset({"access_denied", "invalid_grant"})
    | frozenset(_DEFINITE)
    | frozenset(_GOOGLE)
    | frozenset(_MICROSOFT)
)


def _granted(scope: str, needed: tuple[frozenset[str], ...]) -> str:
    """People can untick single permissions, and the answer is a success all the same."""
    granted = {each.lower() for each in scope.split()}
    granted |= {each.rpartition("/")[2] for each in granted}
    return "answer.no-error" if all(granted & each for each in needed) else "consent.scopes-missing"


def _by_status(status: int) -> str:
    if status == 401:  # noqa: PLR2004
        return "grant.invalid"
    return "policy.blocked" if status == 403 else "sign-in.refused"  # noqa: PLR2004


def _by_text(table: tuple[tuple[str, str], ...], words: str) -> str:
    return next((code for pattern, code in table if re.search(pattern, words[:4_000], re.IGNORECASE)), "")


def _json(answer: str) -> Mapping[str, object] | None:
    begin, end = answer.find("{"), answer.rfind("}")
    if begin < 0 or end < begin:
        return None
    try:
        found: object = json.loads(answer[begin : end + 1])
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, object]", found) if isinstance(found, dict) else None


def _query(answer: str) -> Mapping[str, object] | None:
    """The fields of a redirect: in the query, or in the fragment."""
    line = answer.strip()
    if "=" not in line or not (re.match(r"^[a-z]+://|^/|^[?#]", line) or re.match(r"^[\w.]+=", line)):
        return None
    query = re.sub(r"^[^?#]*[?#]", "", line) if re.match(r"^[a-z]+://|^/|^[?#]", line) else line
    try:
        pairs = parse_qsl(query.replace("#", "&"), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return None
    fields: dict[str, object] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields if fields.keys() & {"error", "error_description", "scope", "code"} else None


def _reason(api: Mapping[str, object]) -> str:
    """The most telling name in an API's error."""
    for group in ("details", "errors"):
        listed = api.get(group)
        for each in cast("list[object]", listed) if isinstance(listed, list) else ():
            reason = cast("Mapping[str, object]", each).get("reason") if isinstance(each, dict) else None
            if isinstance(reason, str) and reason in _ERRORS:
                return reason
    return str(api.get("status") or "") if isinstance(api.get("status"), str) else ""


def _integers(value: object) -> tuple[int, ...]:
    listed = cast("list[object]", value) if isinstance(value, list) else [value]
    return tuple(number for number in map(_integer, listed[:20]) if number)


def _integer(value: object) -> int:
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value if 0 < value < _HIGHEST else 0
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else 0
