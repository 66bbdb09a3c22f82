"""What Google and Microsoft answer to a sign-in, in every form in which it comes."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest
from heraldry.mailbox.domain.findings import FINDINGS
from heraldry.mailbox.domain.oauth import Answer, Provider, diagnose, parsed, shown
from hypothesis import given
from hypothesis import strategies as st

AADSTS = (  # numbers, code, who can mend it
    ((65001, 90008), "consent.required", "person"),
    ((90094, 900941, 90093), "consent.admin-required", "administrator"),
    ((90095, 900981), "consent.admin-requested", "administrator"),
    ((90090,), "consent.recording-failed", "transient"),
    ((65004,), "consent.declined", "person"),
    ((65005, 650056, 650057, 70001, 7000112), "operator.app-misconfigured", "operator"),
    ((650052,), "access.no-mailbox", "administrator"),
    (
        (53000, 53001, 53002, 53003, 50005, 50097, 50129, 50131, 50155),
        "policy.conditional-access",
        "administrator",
    ),
    ((530035,), "policy.legacy-auth-blocked", "administrator"),
    ((530034, 53011), "policy.account-at-risk", "administrator"),
    ((50105,), "policy.user-not-assigned", "administrator"),
    ((50002, 500021, 500022, 500212, 500213), "policy.tenant-restricted", "administrator"),
    ((50072, 50074, 50076, 50079, 50078), "mfa.required", "person"),
    ((53004, 53010), "mfa.blocked", "administrator"),
    ((50055, 50144), "credentials.expired", "person"),
    ((50126, 50056, 50064), "credentials.invalid", "person"),
    ((50053,), "account.locked", "person"),
    ((50057,), "account.disabled", "administrator"),
    ((50034, 50020, 51004, 50014), "sign-in.wrong-account", "person"),
    ((70000,), "grant.invalid", "person"),
    ((70008, 700082), "grant.expired", "person"),
    ((700084,), "operator.app-is-browser-only", "operator"),
    ((50173,), "grant.revoked", "person"),
    ((50089, 50132, 50133), "grant.session-ended", "person"),
    ((54005,), "sign-in.repeated", "transient"),
    ((700016, 700011, 500011), "consent.app-unknown", "administrator"),
    ((7000215, 7000222, 70002, 7000218), "operator.client-secret", "operator"),
    ((50011, 70004), "operator.redirect-address", "operator"),
    ((50194,), "operator.app-single-tenant", "operator"),
    ((90002,), "sign-in.wrong-tenant", "person"),
    ((50196,), "sign-in.loop", "transient"),
    ((50033, 50087, 50088, 90006, 90012, 90024, 90033), "provider.unavailable", "transient"),
    ((90055,), "provider.throttled", "transient"),
    ((28000,), "operator.our-mistake", "operator"),
)
NUMBERED = [(number, code, kind) for numbers, code, kind in AADSTS for number in numbers]


@pytest.mark.parametrize(("number", "code", "kind"), NUMBERED)
def test_a_number_means_the_same_in_every_form(number: int, code: str, kind: str) -> None:
    words = f"AADSTS{number}: Something. Trace ID: 1-2 Correlation ID: 3-4 Timestamp: 2026-05-04 09:30:00Z"
    body = {"error": "invalid_grant", "error_description": words, "error_codes": [number]}
    only_codes = {"error": "invalid_grant", "error_description": "no", "error_codes": [number]}
    query = urlencode({"error": "interaction_required", "error_description": words, "state": "x"})
    for answer in (
        words,
        json.dumps(body),
        json.dumps(only_codes),
        f"400 Bad Request {json.dumps(body)}",
        str(body),
        query,
        f"https://us.example/oauth/microsoft?{query}",
        f"https://us.example/oauth/microsoft#{query}",
        f"/oauth/microsoft?error=access_denied&error_description={quote(words)}",
    ):
        found = diagnose("microsoft", parsed(answer))
        assert (found.code, found.kind) == (code, kind), answer


def body(error: str, description: str = "", **more: object) -> str:
    return json.dumps({"error": error, "error_description": description, **more})


MICROSOFT = (
    (body("temporarily_unavailable", "AADSTS65001: no", error_codes=[65001]), "provider.unavailable", "transient"),
    (body("server_error", "AADSTS1: no"), "provider.unavailable", "transient"),
    (body("invalid_client", "AADSTS99999999: no", error_codes=[99999999]), "operator.client-secret", "operator"),
    (body("unauthorized_client", "AADSTS79999: no"), "operator.app-misconfigured", "operator"),
    (body("invalid_grant", "AADSTS79999: no"), "grant.invalid", "person"),
    (body("interaction_required", "AADSTS79999: no"), "grant.sign-in-needed", "person"),
    (body("invalid_scope", "no"), "operator.app-misconfigured", "operator"),
    (body("invalid_grant", "AADSTS79999: no", suberror="consent_required"), "consent.required", "person"),
    (body("invalid_grant", "AADSTS79999: no", suberror="bad_token"), "grant.invalid", "person"),
    (body("invalid_grant", "no", classification="user_password_expired"), "credentials.expired", "person"),
    ("error=access_denied&error_subcode=cancel&state=x", "consent.declined", "person"),
    ("error=access_denied&error_description=the+user+denied+access", "consent.declined", "person"),
    ("error=access_denied&error_description=AADSTS79999%3A+no", "policy.blocked", "administrator"),
    ("AADSTS53999: no", "policy.conditional-access", "administrator"),
    ("Need admin approval", "consent.admin-required", "administrator"),
    ("Approval required", "consent.admin-required", "administrator"),
    ("429 Too Many Requests", "provider.throttled", "transient"),
    ("503 Service Unavailable", "provider.unavailable", "transient"),
    ("getaddrinfo ENOTFOUND login.microsoftonline.example", "network.failed", "transient"),
    (json.dumps({"error": {"code": "InvalidAuthenticationToken", "message": "expired"}}), "grant.invalid", "person"),
    (json.dumps({"error": {"code": "MailboxNotEnabledForRESTAPI", "message": "no"}}), "access.no-mailbox", "administrator"),
    (json.dumps({"error": {"code": "TooManyRequests", "message": "no"}}), "provider.throttled", "transient"),
    (json.dumps({"token_type": "Bearer", "scope": "https://graph.microsoft.com/Mail.Send Mail.ReadWrite"}), "answer.no-error",
     "transient"),
    (json.dumps({"token_type": "Bearer", "scope": "User.Read"}), "consent.scopes-missing", "person"),
)  # fmt: skip
GOOGLE = (
    (body("invalid_grant", "Token has been expired or revoked."), "grant.revoked", "person"),
    (body("invalid_grant", "Bad Request"), "grant.invalid", "person"),
    (body("invalid_grant", "Malformed auth code."), "sign-in.repeated", "transient"),
    (body("invalid_grant", "Account has been deleted"), "account.disabled", "administrator"),
    (body("invalid_grant", "reauth related error (invalid_rapt)", error_subtype="invalid_rapt"), "grant.session-ended", "person"),
    (body("admin_policy_enforced"), "consent.admin-required", "administrator"),
    ("https://us.example/oauth/google?error=admin_policy_enforced", "consent.admin-required", "administrator"),
    ("Error 400: admin_policy_enforced", "consent.admin-required", "administrator"),
    (body("access_not_configured"), "consent.admin-required", "administrator"),
    ("error=access_denied", "consent.declined", "person"),
    ("https://us.example/oauth/google?error=access_denied&state=x", "consent.declined", "person"),
    ("X has not completed the Google verification process. Error 403: access_denied", "operator.app-in-testing", "operator"),
    (body("invalid_client", "Unauthorized"), "operator.client-secret", "operator"),
    ("Error 401: deleted_client", "operator.app-misconfigured", "operator"),
    ("Error 400: redirect_uri_mismatch", "operator.redirect-address", "operator"),
    ("Error 403: org_internal", "operator.app-internal", "operator"),
    ("('invalid_grant: Bad Request', {'error': 'invalid_grant', 'error_description': 'Bad Request'})", "grant.invalid", "person"),
    ("HTTP/1.1 429 Too Many Requests", "provider.throttled", "transient"),
    ("500", "provider.unavailable", "transient"),
    (json.dumps({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}), "provider.unavailable", "transient"),
    (json.dumps({"error": {"code": 403, "message": "x", "errors": [{"reason": "rateLimitExceeded"}]}}), "provider.throttled",
     "transient"),
    (json.dumps({"error": {"code": 403, "message": "Request had insufficient authentication scopes.", "status": "PERMISSION_DENIED",
                           "details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}), "consent.scopes-missing", "person"),
    (json.dumps({"error": {"code": 400, "message": "Mail service not enabled", "status": "FAILED_PRECONDITION"}}),
     "access.no-mailbox", "administrator"),
    (json.dumps({"access_token": "x", "scope": "openid https://www.googleapis.com/auth/userinfo.email"}), "consent.scopes-missing",
     "person"),
    (json.dumps({"access_token": "x", "scope": "openid https://mail.google.com/"}), "answer.no-error", "transient"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "answer", "code", "kind"),
    [("microsoft", *row) for row in MICROSOFT] + [("google", *row) for row in GOOGLE],
)
def test_what_an_answer_means(provider: Provider, answer: str, code: str, kind: str) -> None:
    found = diagnose(provider, parsed(answer))
    assert (found.code, found.kind) == (code, kind)


def test_an_answer_is_taken_apart() -> None:
    found = parsed(
        body(
            "invalid_grant",
            "AADSTS50076: Due to … AADSTS500011",
            error_codes=[50076],
            suberror="basic_action",
        )
    )
    assert found == Answer(
        error="invalid_grant",
        description="AADSTS50076: Due to … AADSTS500011",
        numbers=(50076, 500011),
        suberror="basic_action",
    )


def test_a_password_that_worked_before_was_changed() -> None:
    found = diagnose("microsoft", parsed("AADSTS50126: no"), connected_before=True)
    assert found.code == "credentials.changed"


def test_secrets_are_not_shown() -> None:
    for answer in (
        '{"access_token":"eyJhbGciOi.s3cret.x","token_type":"Bearer"}',
        "https://us.example/cb?code=4/s3cretcode&state=x",
        "refresh_token=1//s3crettoken",
    ):
        assert "s3cret" not in shown(answer)
    for answer in (
        "AADSTS65001: no",
        '{"error": {"code": "InvalidAuthenticationToken"}}',
        "error=access_denied&state=0123456789",
    ):
        assert shown(answer) == answer


@given(
    st.sampled_from(["google", "microsoft"]),
    st.one_of(st.text(), st.text().map(lambda text: f"error={text}")),
)
def test_any_answer_ends_in_a_class(provider: Provider, answer: str) -> None:
    assert diagnose(provider, parsed(answer)).code in FINDINGS


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.sampled_from(["google", "microsoft"]),
    st.dictionaries(
        st.sampled_from(["error", "error_codes", "error_description", "suberror", "classification", "scope"]),
        _VALUES,
    ),
)
def test_any_json_ends_in_a_class(provider: Provider, fields: dict[str, object]) -> None:
    assert diagnose(provider, parsed(json.dumps(fields))).code in FINDINGS
