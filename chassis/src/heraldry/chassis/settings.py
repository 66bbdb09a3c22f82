"""What a process is told from outside: environment variables that begin with HERALDRY_."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of one process. A wrong one ends the process at start with the name of the variable."""

    model_config = SettingsConfigDict(
        env_prefix="HERALDRY_", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    service: str = ""
    """Which of the services the process is: signer, identity, mailbox, linkedin-driver, scheduler, gateway or sandbox. Set
    by `heraldry up` and by the chart.
    """
    replica: str = "0"
    """Which of a service's replicas the process is; it names that replica's own files. Change it where you start several
    replicas yourself.
    """
    mode: Literal["demo", "live"] = "live"
    """`demo`: with the sandbox, its clock and its certificates; `live`: a real installation. Set by `heraldry up`, which
    takes `--no-sandbox` for `live`.
    """
    data: Path = Path("data/live")
    """The installation's folder. Set by `heraldry up`, which takes `--data`."""
    host: str = "127.0.0.1"
    """The address on which the process listens for HTTP: by default this machine only. In a container: `0.0.0.0`."""
    port: int = 0
    """The port on which the process listens for HTTP; 0 is a free one, said in the log and in
    <data>/run/<service>-<replica>.json. Fix it where something in front of it must know it.
    """
    nats_url: str = "nats://127.0.0.1:4222"
    """The address of the NATS server. Set by `heraldry up`, which starts one, and by the chart."""
    nats_user: str = ""
    """The NATS user whose rights the process has: its service's own. Set by `heraldry up`; in a cluster by the chart."""
    nats_password: SecretStr = SecretStr("")
    """The password of that NATS user."""
    master_key_file: Path | None = None
    """The file with the master key that wraps all other keys; by default <data>/keys/master.key. Name one on another disk, so
    that no copy of the data folder contains it.
    """
    store_url: SecretStr = SecretStr("")
    """KurrentDB's address, kdb://server:2113 and what else it needs; by default each log is a SQLite file in
    <data>/store/. Needed where replicas of a service run on several machines.
    """
    store_user: str = ""
    """The user of KurrentDB where its address names none; {context} in it is the service's name, so that each service has a
    user of its own.
    """
    store_password: SecretStr = SecretStr("")
    """The password of that user of KurrentDB."""
    signer_user: str = ""
    """The system user that the signer becomes where `heraldry up` runs as root, so that nobody else reads its key; by default
    it stays who it is.
    """
    allow_private_addresses: bool = False
    """Whether mail servers may be in private ranges of addresses (always so in the sandbox). Only where the mail servers are
    in your own network: otherwise whoever connects an inbox could reach into it.
    """
    extra_ca_file: Path | None = None
    """A file of certificates that are trusted beside the system's, such as those of a company's own authority; the sandbox's
    in a demo.
    """
    claim_seconds: float = 60.0
    """Seconds for which a claim on a mail or a LinkedIn action keeps other replicas away while nothing of it has left.
    Longer where servers or browsers often take longer than that.
    """
    lease_seconds: PositiveFloat = 30.0
    """Seconds for which a replica that reads an inbox, drives a LinkedIn account or imports leads keeps others away; it
    renews that every third of it, and a browser ends with it. Shorter: others take over sooner after a crash; longer: on a
    slow machine fewer are taken over in vain.
    """
    mail_silence_seconds: PositiveFloat = 30.0
    """Seconds of silence of a mail server after which its connection is given up. Longer for servers that are slow to
    answer.
    """
    linkedin_url: str = ""
    """The address of LinkedIn; by default https://www.linkedin.com, in a demo that of the stand-in, set by `heraldry up`."""
    linkedin_pause_seconds: NonNegativeFloat = 30.0
    """Seconds between two actions of one LinkedIn account, at least (1 in a demo). Longer is more careful."""
    linkedin_read_minutes: PositiveFloat = 20.0
    """Minutes between two looks, for each LinkedIn account, who accepted and who wrote back (1 in a demo). Shorter: sequences
    stop sooner after a reply, and LinkedIn is visited more often.
    """
    linkedin_patience_seconds: PositiveFloat = 20.0
    """Seconds to wait for an answer of LinkedIn's site. Longer on a slow line or a slow machine."""
    scraping_pool: NonNegativeInt = 100
    """How many LinkedIn profiles the identities of an organization may read for their data in its day, together; what Sales
    Navigator allows comes on top. Raise it with care: LinkedIn notices many visits.
    """
    staging: bool = False
    """Whether this is a staging copy, which writes to nobody who is not on `HERALDRY_RECIPIENT_ALLOW_LIST`. Set by `heraldry up` where the
    folder was restored as one.
    """
    recipient_allow_list: str = ""
    """Whom alone this installation writes to: addresses, domains and LinkedIn addresses, separated by commas; by default
    anybody, and of a staging copy nobody. For staging copies and first trials.
    """
    log_format: Literal["text", "json"] = "json"
    """How log lines are written: `json` for programs, `text` for people (`text` under `heraldry up`)."""
    log_level: str = "INFO"
    """The least that is logged: DEBUG, INFO, WARNING or ERROR. DEBUG to look for a fault."""
    otlp_endpoint: str = ""
    """The address of an OpenTelemetry collector, such as http://127.0.0.1:4318, which is told by OTLP over HTTP what each
    request caused; by default nobody is. A path is added (`/v1/traces`) unless the address has one.
    """
    ready_fd: int | None = None
    """The supervisor's pipe, to which one line is written when the process is ready. Set by `heraldry up` only."""
    test_now: str = ""
    """Tests only: an ISO instant at which the clock stands still."""
    test_points: Path | None = None
    """Tests only: a folder with files that hold this process at named points."""
    public_url: str = ""
    """The gateway's address as browsers know it, such as https://heraldry.example; by default the one it listens on. Links in mails
    and share links lead there; unsubscribing by one click needs https.
    """
    sandbox_url: str = ""
    """The sandbox's address in a demo. Set by `heraldry up`."""

    @field_validator("otlp_endpoint")
    @classmethod
    def _an_address(cls, given: str) -> str:
        if given and (urlsplit(given).scheme not in {"http", "https"} or not urlsplit(given).hostname):
            raise ValueError("wants an address such as http://127.0.0.1:4318")
        return given

    @property
    def sandbox(self) -> bool:
        return self.mode == "demo"

    @property
    def process(self) -> str:
        return f"{self.service}-{self.replica}"
