"""What a process is told from outside: environment variables that begin with HERALDRY_."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of one process. A wrong one ends the process at start with the name of the variable."""

    model_config = SettingsConfigDict(env_prefix="HERALDRY_", extra="ignore", frozen=True)

    service: str = ""  # identity, mailbox, linkedin-driver, scheduler, gateway, sandbox
    replica: str = "0"  # names this replica's own files
    mode: Literal["demo", "live"] = "live"  # demo: with the sandbox, its clock and its certificates
    data: Path = Path("data/live")  # the installation's folder; made by the supervisor
    host: str = "127.0.0.1"  # where the process listens for HTTP
    port: int = 0  # 0: a free one, said in the log and in <data>/run/<service>-<replica>.json
    nats_url: str = "nats://127.0.0.1:4222"
    nats_user: str = ""
    nats_password: SecretStr = SecretStr("")
    master_key_file: Path | None = None  # default: <data>/keys/master.key
    # KurrentDB's address, kdb://server:2113 and what else it needs; default: a SQLite file in <data>/store/
    store_url: SecretStr = SecretStr("")
    store_user: str = ""  # of KurrentDB, where the address names none; {context} in it is the service's name
    store_password: SecretStr = SecretStr("")
    # the system user that the signer becomes where `up` runs as root; empty: it stays who it is
    signer_user: str = ""
    allow_private_addresses: bool = False  # mail servers in private ranges (always so in the sandbox)
    extra_ca_file: Path | None = None  # additional trusted certificates (the sandbox's own CA)
    claim_seconds: float = 60.0  # how long a claim on a piece of work keeps other replicas away
    # how long a replica that reads an inbox, drives a LinkedIn account or imports leads keeps others away; it renews
    # that every third of it, and a browser ends with it
    lease_seconds: PositiveFloat = 30.0
    mail_silence_seconds: PositiveFloat = 30.0  # of a mail server, after which its connection is given up
    linkedin_url: str = (
        ""  # default: https://www.linkedin.com; in demo mode the stand-in's, made by the supervisor
    )
    linkedin_pause_seconds: NonNegativeFloat = 30.0  # between two actions of one LinkedIn account
    linkedin_read_minutes: PositiveFloat = 20.0  # between two looks who accepted and who wrote back
    linkedin_patience_seconds: PositiveFloat = 20.0  # for an answer of LinkedIn's site
    # LinkedIn profiles that the identities of an organization may read for their data in its day, together; Sales
    # Navigator adds to it
    scraping_pool: NonNegativeInt = 100
    staging: bool = (
        False  # a copy: it writes to nobody who is not on the list below; set by `up` where it is one
    )
    # whom alone this installation writes to: addresses, domains, LinkedIn addresses, comma-separated (default: anybody;
    # of a staging copy: nobody)
    recipient_allow_list: str = ""
    log_format: Literal["text", "json"] = "json"
    log_level: str = "INFO"
    ready_fd: int | None = None  # the supervisor's pipe: one line is written to it when the process is ready
    test_now: str = ""  # tests only: an ISO instant at which the clock stands still
    test_points: Path | None = None  # tests only: a folder with files that hold this process at named points
    public_url: str = ""  # the gateway's address as browsers know it
    sandbox_url: str = ""  # the sandbox's address, in demo mode

    @property
    def sandbox(self) -> bool:
        return self.mode == "demo"

    @property
    def process(self) -> str:
        return f"{self.service}-{self.replica}"
