"""Sees to the browser that LinkedIn is driven with, and the mail servers the tests use: found, installed where that is
allowed, or named in the one command that would. With `browser` as its argument it sees to that alone, and goes on
without it: everything but LinkedIn works then.

Allowed means: CI is set, this is a container, HERALDRY_INSTALL=yes, or somebody at a terminal said yes.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from heraldry.chassis.chromium import chromium_path

DEBIAN_PACKAGE: Final = "chromium-headless-shell"
MAIL_PACKAGES: Final = {  # what has to be there, in either place -> the package that brings it
    ("/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap"): "dovecot-imapd",
    ("/usr/lib/dovecot/lmtp", "/usr/libexec/dovecot/lmtp"): "dovecot-lmtpd",
    ("/usr/lib/postfix/sbin/master", "/usr/libexec/postfix/master"): "postfix",
}
# Both would start at once and at every boot; the tests start their own. `--no-remove` keeps another mail server.
QUIET_INSTALL: Final = """
policy=/usr/sbin/policy-rc.d
[ -e $policy ] || { trap "rm -f $policy" EXIT; printf "#!/bin/sh\\nexit 101\\n" >$policy; chmod 755 $policy; }
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --no-remove PACKAGES || exit
[ ! -d /run/systemd/system ] || systemctl disable --quiet SERVICES
"""


def say(message: str) -> None:
    print(f"heraldry: {message}", file=sys.stderr, flush=True)


def system() -> str:
    """The distribution's own name for itself, such as `debian` or `ubuntu`; empty where nothing says."""
    try:
        return platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return ""


def install_command(distribution: str, *, root: bool) -> str:
    """The one command that puts a browser where the tests find it."""
    sudo = "" if root else "sudo "
    if distribution == "debian":
        return f"{sudo}apt-get update && {sudo}apt-get install --yes --no-install-recommends {DEBIAN_PACKAGE}"
    return ".venv/bin/playwright install --with-deps --only-shell chromium"


def missing_mail_packages() -> tuple[str, ...]:
    return tuple(
        package for files, package in MAIL_PACKAGES.items() if not any(Path(file).exists() for file in files)
    )


def mail_command(packages: Iterable[str], *, root: bool) -> str:
    """The one command that installs these packages and leaves no server running."""
    sudo = "" if root else "sudo "
    services = dict.fromkeys(package.partition("-")[0] for package in packages)
    script = QUIET_INSTALL.replace("PACKAGES", " ".join(packages)).replace("SERVICES", " ".join(services))
    return f"{sudo}apt-get update && {sudo}sh -c {shlex.quote('; '.join(script.split(chr(10))[1:-1]))}"


def allowed_unasked(environment: Mapping[str, str], markers: tuple[Path, ...]) -> bool:
    """Whether packages may be installed without a question."""
    if environment.get("HERALDRY_INSTALL") in {"yes", "no"}:
        return environment["HERALDRY_INSTALL"] == "yes"
    if environment.get("CI", "") not in {"", "0", "false"} or environment.get("container"):
        return True
    return any(marker.exists() for marker in markers)


def allowed() -> bool:
    if allowed_unasked(os.environ, (Path("/.dockerenv"), Path("/run/.containerenv"))):
        return True
    if os.environ.get("HERALDRY_INSTALL") == "no" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print("heraldry: may I run this now? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def install(needed: str, what: str, command: str) -> None:
    """Run the command if that may be. What it did is for the caller to look at."""
    say(f"{needed}. This installs it:\n\n    {command}\n")
    if not allowed():
        say("run it, then run this again (or set HERALDRY_INSTALL=yes).")
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    ended = subprocess.run(command, shell=True, check=False, env=environment)
    if ended.returncode:
        say(f"{what} could not be installed; the message is above.")


def browser() -> bool:
    """Whether there is one now."""
    try:
        found = chromium_path()
    except FileNotFoundError as error:
        say(f"{error}.")
        return False
    if not found:
        command = install_command(system(), root=os.geteuid() == 0)
        install("LinkedIn is driven in a browser, and there is none", "a browser", command)
        found = chromium_path()
        if not found:
            say("HERALDRY_CHROMIUM can name a browser's path, too.")
    return bool(found)


def mail_servers() -> bool:
    """Whether they are there now."""
    packages = missing_mail_packages()
    if packages and system() in {"debian", "ubuntu"}:
        what = "Dovecot and Postfix"
        install(f"the tests need {what}", what, mail_command(packages, root=os.geteuid() == 0))
    elif packages:
        say("the tests need Dovecot 2.3 (IMAP and LMTP) and Postfix; install them as this system does it.")
    return not missing_mail_packages()


def main() -> int:
    if sys.argv[1:] == ["browser"]:
        if not browser():
            say("it goes on without LinkedIn: everything else works.")
        return 0
    return 0 if all([browser(), mail_servers()]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
