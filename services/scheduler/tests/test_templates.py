from __future__ import annotations

import re
import tracemalloc
from pathlib import Path
from time import process_time

import pytest
from heraldry.contracts.campaigns import LeadData, SendEmail
from heraldry.contracts.identity import ContactDetails
from heraldry.scheduler.adapters.templates import LiquidTemplates
from heraldry.scheduler.ports import MissingVariableError, Speaker, TemplateError
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

HOW_TO = Path(__file__).parents[3] / "docs/how-to/write-the-steps-of-a-campaign.md"
LEA = LeadData(
    first_name="Lea",
    last_name="Moreau",
    email="lea@maison.example",
    own={"company": "Maison & Fils", "city": "  ", "Company size": "12"},
)
ADA = Speaker("Ada at Northwind", ContactDetails(first_name="Ada", meeting_url="https://meet.example/ada"))
templates = LiquidTemplates()


def text(template: str, lead: LeadData = LEA) -> str:
    return templates.render(SendEmail(text=template), lead, ADA).text


def html(template: str, lead: LeadData = LEA) -> str:
    return templates.render(SendEmail(text="-", html=template), lead, ADA).html


def refused(template: str) -> TemplateError:
    with pytest.raises(TemplateError) as error:
        templates.check(SendEmail(text=template))
    assert error.value.part == "text"
    return error.value


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hello {{ first_name }}", "Hello Lea"),
        ("{{first_name}}{{ last_name }}", "LeaMoreau"),
        ("{{ name }} <{{ email }}>", "Lea Moreau <lea@maison.example>"),
        ("of {{ company }}", "of Maison & Fils"),
        ('{{ ["Company size"] }} people', "12 people"),
        ("{{ identity.first_name }}: {{ identity.meeting_url }}", "Ada: https://meet.example/ada"),
        ("{{ identity.name }}", "Ada at Northwind"),
        ('{{ city | default: "your city" }}', "your city"),
        ("{{ city | default: “your city” }}", "your city"),
        ('{{ city | upcase | default: "there" }}', "there"),
        ("{{ city | default: company }}", "Maison & Fils"),
        ('{{ first_name | append: "!" | upcase }}', "LEA!"),
        ("{% if city %}in {{ city }}{% else %}somewhere{% endif %}", "somewhere"),
        ("{% if company contains 'Fils' %}yes{% endif %}", "yes"),
        ("{% unless city %}no city{% endunless %}", "no city"),
        ("{% case first_name %}{% when 'Lea' %}Bonjour{% else %}Hello{% endcase %}", "Bonjour"),
        ("{% assign size = ['Company size'] | plus: 0 %}{% if size > 10 %}big{% endif %}", "big"),
        ("{% capture who %}{{ first_name }}{% endcapture %}{{ who }}", "Lea"),
        ("a{%- comment -%} {{ anything }} {%- endcomment -%}b", "ab"),
        ("100 % {sic} }} ok", "100 % {sic} }} ok"),
        ("Hello {{\n first_name\n}}", "Hello Lea"),
    ],
)
def test_what_a_template_can_say(template: str, expected: str) -> None:
    templates.check(SendEmail(text=template))
    assert text(template) == expected


@pytest.mark.parametrize(
    ("template", "variable"),
    [
        ("Hello {{ nickname }}", "nickname"),
        ("in {{ city }}", "city"),  # only spaces: empty
        ("{{ identity.phone }}", "identity.phone"),
        ("{{ city | upcase }}", "city"),
        ("{{ first_name | append: city }}", "city"),
        ("{{ city | default: nickname }}", "nickname"),
        ("{% if first_name %}{{ city }}{% endif %}", "city"),
        ("{{ company.__class__ }}", "company.__class__"),
        ("{{ company.__class__.__mro__ }}", "company.__class__.__mro__"),
        ("{% assign words = name | split: ' ' %}{{ words[1] }}{{ words[2] }}", "words.2"),
        ("{{ ['__builtins__'] }}", "__builtins__"),
        ("{{ now }}", "now"),
        ("{{ today }}", "today"),
        ("{{ partial }}", "partial"),
        ("{{ self }}", "self"),
    ],
)
def test_what_is_missing_is_named(template: str, variable: str) -> None:
    step = SendEmail(text=template)
    templates.check(step)
    assert templates.missing([step], LEA, ADA) == (variable,)
    with pytest.raises(MissingVariableError) as error:
        text(template)
    assert error.value.variable == variable
    assert variable in error.value.detail


@pytest.mark.parametrize(
    "template",
    [
        '{% assign greeting = "Hello" %}{{ greeting }}',
        "{% capture greeting %}Hello{% endcapture %}{{ greeting }}",
        '{% if city %}{% assign greeting = "Hej" %}{% else %}{% assign greeting = "Hello" %}{% endif %}'
        "{{ greeting }}",
        '{% if company %}{% assign greeting = "Hello" %}{% endif %}{{ greeting }}',
    ],
)
def test_what_a_template_sets_itself_is_not_asked_of_the_lead(template: str) -> None:
    assert templates.missing([SendEmail(text=template)], LEA, ADA) == ()
    assert text(template) == "Hello"


@pytest.mark.parametrize(
    "template",
    [
        '{{ greeting }}{% assign greeting = "Hello" %}',
        '{% if city %}{% assign greeting = "Hello" %}{% endif %}{{ greeting }}',
        "{% if city %}{% capture greeting %}Hello{% endcapture %}{% endif %}{{ greeting }}",
    ],
)
def test_what_a_template_sets_too_late_or_not_for_this_lead_is_missing(template: str) -> None:
    assert templates.missing([SendEmail(text=template)], LEA, ADA) == ("greeting",)


def test_all_that_is_missing_is_named_once_and_in_order() -> None:
    steps = [
        SendEmail(subject="{{ role }} {{ city }}", text="{{ first_name }}"),
        SendEmail(text="{{ city }}", html="{{ country }}{{ role }}"),
    ]
    assert templates.missing(steps, LEA, ADA) == ("role", "city", "country")
    own = {"role": "CEO", "city": "Lyon", "country": "France"}
    assert templates.missing(steps, LEA.model_copy(update={"own": own}), ADA) == ()


def test_a_column_of_the_customer_replaces_no_field_of_ours() -> None:
    lead = LEA.model_copy(update={"own": {"first_name": "Eve", "identity": "Eve", "email": "eve@x.example"}})
    assert (
        text("{{ first_name }} {{ email }} {{ identity.first_name }}", lead) == "Lea lea@maison.example Ada"
    )


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Hello {{ first_name", "Line 1: {{ is not closed by }}"),
        ("Hello\n{{ first_name }\n{{ name }}", "Line 2: {{ is not closed by }}"),
        ("{{ }}", "nothing stands between"),
        ("{{ first name }}", "{{ first name }} cannot be read"),
        ("\n\n{{ first_name | }}", "Line 3: {{ first_name | }} cannot be read"),
        ("{{ first_name | defualt: 'x' }}", "There is no “defualt” after a |. There are abs, append"),
        ("{{ first_name | append }}", "too much or too little"),
        ("{% if x %}{{ a | truncate: 1, '.', 3 }}{% endif %}", "too much or too little"),
        ("{% if city %}x", "{% if %} has no {% endif %}"),
        ("{% if city %}{% unless x %}{% endif %}{% endunless %}", "{% endif %} has no {% if"),
        ("x{% endif %}", "{% endif %} has no {% if"),
        ("{% else %}", "stands outside"),
        ("{% if %}x{% endif %}", "cannot be read"),
        ("{% assign x %}", "cannot be read"),
        (
            "{{ identity.firstname }}",
            "There is no identity.firstname. There are identity.name, identity.first_name",
        ),
        ("{{ identity }}", "There is no identity."),
        ("{{ first_name.__class__ }}", "There is no first_name.__class__: first_name is one text"),
        ("{{ identity[first_name] }}", "There is no identity"),
        ("{% if first_name > 3 %}x{% endif %}", "cannot be read"),
    ],
)
def test_a_mistake_is_told_where_it_is_in_words_a_salesperson_understands(template: str, said: str) -> None:
    detail = refused(template).detail
    assert said in detail
    assert "Traceback" not in detail


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in (1..3) %}x{% endfor %}",
        "{% for i in (1..1000000000) reversed %}{% for j in (1..1000000000) %}x{% endfor %}{% endfor %}",
        "{% tablerow i in (1..9) %}x{% endtablerow %}",
        "{% include '/etc/passwd' %}",
        "{% render 'other' %}",
        "{% raw %}{{ x }}{% endraw %}",
        "{% liquid assign x = 1 %}",
        "{% increment x %}",
        "{% cycle 'a', 'b' %}",
        "{% # note %}",
        "{% %}",
        "{{ (1..1000000000) | join }}",
        "{% assign r = (1..1000000000) %}x",
        "{% if x %}{{ (1..9) }}{% endif %}",
        "{{ 'now' | date: '%1000000000d' }}",
        "{{ x | safe }}",
        "{{ x | map: '__class__' }}",
        "{{ x | base64_decode }}",
        "{{ " * 16_000,
        "{% " * 16_000,
        "{{" + " " * 49_000 + "}}",
        "{{ x }}" * 7_000,
        "{% if x %}" * 300 + "x" + "{% endif %}" * 300,
        "{{ x" + ".y" * 20_000 + " }}",
        "{% if a" + " or a" * 9_000 + " %}x{% endif %}",
        "{{ " + "[" * 200 + "a" + "]" * 200 + " }}" + "{{",
        "{{ 9" + "9" * 400 + " | times: 9" + "9" * 40 + " }}",
        "{{ 1 | divided_by: 0 }}",
        "{{ '1e999' | ceil }}",
        "{{ '1e400' | plus: 1 }}",
    ],
    ids=range(30),
)
def test_what_is_not_available_is_refused_soon_and_in_little_memory(template: str) -> None:
    tracemalloc.start()
    began = process_time()
    try:
        refused(template)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert process_time() - began < 15  # with tracing on; what it is about would take hours
    assert peak < 50_000_000


BOMBS = [
    "{% assign a = first_name %}" + "{% assign a = a | append: a %}" * 60 + "{{ a }}",
    "{{ 'aaaaaaaaaa'" + " | replace: 'a', 'aaaaaaaaaa'" * 9 + " }}",
    "{% assign a = 'a,a,a,a' | split: ',' | join: '"
    + "b" * 300
    + "' %}"
    + "{% assign a = a | replace: 'b', a %}" * 9,
    "{% capture a %}0123456789{% endcapture %}" + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 60,
    "{% assign a = 9 %}" + "{% assign a = a | times: a %}" * 60 + "{{ a }}",
    "{% assign a = first_name %}"
    + "{% assign a = a | append: a %}" * 12
    + "{% assign b = a | split: '' | join: ',' %}" * 400,
    "{% assign a = first_name %}" + "{% assign a = a | append: a %}" * 12 + "{{ a }}" * 480,
    "{% assign a = 'x' %}" + "{% assign a = a | replace: '', a %}" * 40 + "{{ a }}",
]


@pytest.mark.parametrize("template", BOMBS, ids=range(len(BOMBS)))
def test_what_grows_beyond_a_mail_is_stopped(template: str) -> None:
    tracemalloc.start()
    began = process_time()
    try:
        with pytest.raises(TemplateError):
            text(template)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert process_time() - began < 15
    assert peak < 50_000_000


def test_values_are_text_in_html_and_as_they_are_in_text() -> None:
    assert html("<p>{{ company }}</p>") == "<p>Maison &amp; Fils</p>"
    assert text("{{ company }}") == "Maison & Fils"
    sly = LEA.model_copy(update={"first_name": "<script>alert(1)</script><b>Lea</b>"})
    assert html("Hello {{ first_name }}", sly) == (
        "Hello &lt;script&gt;alert(1)&lt;/script&gt;&lt;b&gt;Lea&lt;/b&gt;"
    )
    assert "<" not in html(
        "{% capture x %}{{ first_name }}{% endcapture %}{{ x | replace: '&lt;', '<' }}", sly
    )


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("<script>alert(1)</script>Hi", "Hi"),
        ('<p onclick="x()">Hi</p>', "<p>Hi</p>"),
        ('<a href="javascript:alert(1)">Hi</a>', '<a rel="noopener noreferrer">Hi</a>'),
        ('<a href="{{ linkedin_url }}">Hi</a>', '<a rel="noopener noreferrer">Hi</a>'),
        ('<img src="data:text/html,x" alt="x">', '<img alt="x">'),
        ('<p style="color: red; position: fixed">Hi</p>', '<p style="color:red">Hi</p>'),
        ("<!-- {{ first_name }} -->Hi", "Hi"),
        ("<iframe src=x></iframe><form><input></form><svg><a>Hi</a></svg>", ""),
        ("{{ first_name | default: &quot;there&quot; }}", "Lea"),
        ("{{&nbsp;city&nbsp;| default: &ldquo;there&rdquo; }}", "there"),
    ],
)
def test_html_is_cleaned_after_rendering(dirty: str, expected: str) -> None:
    lead = LEA.model_copy(update={"linkedin_url": "javascript:alert(1)"})
    cleaned = html(dirty, lead)
    assert cleaned == expected or (not expected and "<iframe" not in cleaned and "<form" not in cleaned)


def test_a_subject_is_one_line_whatever_a_value_holds() -> None:
    sly = LEA.model_copy(update={"first_name": "Lea\r\nBcc: eve@evil.example\x00"})
    mail = templates.render(SendEmail(subject="Hello {{ first_name }}", text="-"), sly, ADA)
    assert mail.subject == "Hello Lea Bcc: eve@evil.example"


def test_what_is_empty_or_too_long_for_a_lead_is_said() -> None:
    with pytest.raises(TemplateError, match="text is empty"):
        text("{% if city %}x{% endif %}")
    with pytest.raises(TemplateError, match="subject is empty"):
        templates.render(SendEmail(subject='{{ city | default: "" }}', text="-"), LEA, ADA)
    long = LEA.model_copy(update={"first_name": "x" * 501})
    with pytest.raises(TemplateError, match="longer than 500"):
        templates.render(SendEmail(subject="{{ first_name }}", text="-"), long, ADA)
    huge = LEA.model_copy(update={"first_name": "x" * 160_000})
    with pytest.raises(TemplateError, match="too long"):
        text("{{ first_name }}", huge)


ODD = st.text(alphabet="{}%|-.[]()'\"ab 1=:,\n", max_size=40)
WORDS = st.lists(
    st.sampled_from(
        [
            "{{",
            "}}",
            "{%",
            "%}",
            " a ",
            "identity",
            ".",
            "name",
            "|",
            "default:",
            "'x'",
            "if",
            "endif",
            "else",
            "[",
            "]",
        ]
    ),
    max_size=14,
).map(" ".join)


@any_of(st.one_of(ODD, WORDS).filter(bool))
@settings(max_examples=300, deadline=None)
def test_whatever_is_typed_is_a_template_or_a_problem_that_is_told(typed: str) -> None:
    step = SendEmail(text=typed, html=typed)
    lacking: tuple[str, ...] = ()
    problem: TemplateError | None = None
    try:
        templates.check(step)
        lacking = templates.missing([step], LEA, ADA)
        templates.render(step, LEA, ADA)
    except TemplateError as error:
        problem = error
    if isinstance(problem, MissingVariableError):
        assert problem.variable in lacking
    assert not lacking or problem


def test_ten_thousand_leads_are_checked_in_a_moment() -> None:
    steps = [
        SendEmail(
            subject="Hello {{ first_name }}", text="{{ name }}, {{ company }}, {{ identity.first_name }}"
        ),
        SendEmail(text='{{ first_name | default: "there" }} {{ company }}', html="<p>{{ company }}</p>"),
    ]
    began = process_time()
    assert not any(templates.missing(steps, LEA, ADA) for _ in range(10_000))
    assert process_time() - began < 15


def test_the_how_to_shows_what_is_so() -> None:
    rows = re.findall(r"^\| `(.*\{.*)` \| (.*) \|$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE)
    astrid = Speaker("Astrid Lind", ContactDetails(first_name="Astrid"))
    assert len(rows) > 8
    for typed, read in rows:
        step = SendEmail(text=typed.replace("\\|", "|"))
        templates.check(step)
        assert templates.render(step, LEA, astrid).text == read
