"""Microsoft's AADSTS numbers and the code of what each means to us."""

from __future__ import annotations

from typing import Final

_GROUPS: Final[dict[str, tuple[int, ...]]] = {
    "consent.required": (65001, 90008),
    "consent.admin-required": (90094, 900941, 90093),
    "consent.admin-requested": (90095, 900981),
    "consent.recording-failed": (90090,),
    "consent.declined": (65004,),
    "consent.app-unknown": (700016, 700011, 500011),
    "access.no-mailbox": (650052,),
    "operator.app-misconfigured": (65005, 650056, 650057, 70001, 7000112),
    "operator.client-secret": (7000215, 7000222, 70002, 7000218),
    "operator.redirect-address": (50011, 70004),
    "operator.app-single-tenant": (50194,),
    "operator.app-is-browser-only": (700084,),
    "operator.our-mistake": (28000,),
    "policy.conditional-access": (53000, 53001, 53002, 53003, 50005, 50097, 50129, 50131, 50155),
    "policy.legacy-auth-blocked": (530035,),
    "policy.account-at-risk": (530034, 53011),
    "policy.user-not-assigned": (50105,),
    "policy.tenant-restricted": (50002, 500021, 500022, 500212, 500213),
    "mfa.required": (50072, 50074, 50076, 50078, 50079),
    "mfa.blocked": (53004, 53010),
    "credentials.expired": (50055, 50144),
    "credentials.invalid": (50126, 50056, 50064),
    "account.locked": (50053,),
    "account.disabled": (50057,),
    "sign-in.wrong-account": (50034, 50020, 51004, 50014),
    "sign-in.wrong-tenant": (90002,),
    "sign-in.repeated": (54005,),
    "sign-in.loop": (50196,),
    "grant.invalid": (70000,),
    "grant.expired": (70008, 700082),
    "grant.revoked": (50173,),
    "grant.session-ended": (50089, 50132, 50133),
    "provider.unavailable": (50033, 50087, 50088, 90006, 90012, 90024, 90033),
    "provider.throttled": (90055,),
}
NUMBERS: Final[dict[int, str]] = {number: code for code, numbers in _GROUPS.items() for number in numbers}


def family(number: int) -> str:
    """What a number that is in no table most likely means, where nothing else in the answer tells; else empty."""
    begin = str(number)
    if begin.startswith("53"):
        return "policy.conditional-access"
    if begin.startswith("65"):
        return "consent.required"
    if begin.startswith("70"):
        return "operator.app-misconfigured"
    return "grant.sign-in-needed" if begin.startswith("50") else ""
