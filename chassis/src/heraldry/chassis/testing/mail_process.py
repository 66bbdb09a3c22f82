"""A mail server's program, run for one test: certificates, ports, start, a stop that leaves nobody behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import trustme
from heraldry.chassis.testing.waiting import until

HOST = "127.0.0.1"
START_DEADLINE, STOP_DEADLINE = 20.0, 10.0  # seconds
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/lib/postfix/sbin", "/usr/libexec/postfix")


def program(name: str, of: str) -> Path:
    """Where a server's program is; an ordinary user's path has no such folders.

    Raises:
        LookupError: it is not installed; the text says how to get it.
    """
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *SYSTEM_FOLDERS)))
    if found is None:
        raise LookupError(f"{of} was not found; `./justw setup-system` installs it or says how")
    return Path(found)


def certificates(folder: Path) -> tuple[Path, Path]:
    """An authority of this folder's own (`ca.pem`), and key and certificate of a server (`server.pem`)."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    server = authority.issue_cert("localhost", HOST, key_type=trustme.KeyType.ECDSA)
    authority_file, server_file = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(authority_file))
    server_file.touch(mode=0o600)
    server.private_key_and_cert_chain_pem.write_to_path(str(server_file))
    return authority_file, server_file


def free_ports(count: int) -> tuple[int, ...]:
    """Ports nobody listens on at this moment."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return tuple(int(probe.getsockname()[1]) for probe in probes)


class ServerProgram:
    """One server with all its children."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command, self._log = command, log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def said(self) -> str:
        """The last lines of the server's own log."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""

    async def start(self, *ports: int) -> None:
        """Start it and wait until it greets on each of these ports. Raises RuntimeError with its last words."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603  returns at once; a command of ours
                [*self._command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,  # a Ctrl-C is for the tests, which then stop it
            )
        try:
            async with asyncio.timeout(START_DEADLINE):
                for port in ports:
                    await self._greeted(port)
        except BaseException:
            await self.stop()
            raise

    async def _greeted(self, port: int) -> None:
        while True:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"{self._command[0]} ended: {self.said()}")
            try:
                reader, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            try:
                if await reader.read(1):
                    return
            except OSError:  # reset before a word: not ready yet
                pass
            finally:
                writer.close()
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Ask it to end, and wait until it and all its children have.

        Raises:
            RuntimeError: it had to be killed.
        """
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is not None:
            with suppress(ProcessLookupError):  # it ended by itself: nobody of its group may stay
                os.killpg(process.pid, signal.SIGKILL)
            return
        everybody = family(process.pid)
        process.terminate()
        try:
            await until(lambda: process.poll() is not None, seconds=STOP_DEADLINE)
        except TimeoutError:
            raise RuntimeError(f"{self._command[0]} did not stop when asked: {self.said()}") from None
        finally:
            _kill(everybody)  # Dovecot's login processes outlive it while a client is connected
            await _ended(process, everybody)

    async def kill(self) -> None:
        """End it with all its children at once, as a power cut would."""
        process, self._process = self._process, None
        if process is None:
            return
        everybody = family(process.pid)
        _kill(everybody)
        await _ended(process, everybody)


def family(pid: int) -> tuple[psutil.Process, ...]:
    """A process with all its descendants."""
    first = psutil.Process(pid)
    return (first, *first.children(recursive=True))


def lives(process: psutil.Process) -> bool:
    """False also for a process that has ended and waits for somebody to ask how."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _ended(process: subprocess.Popen[bytes], everybody: Sequence[psutil.Process]) -> None:
    await until(lambda: not any(map(lives, everybody)), seconds=STOP_DEADLINE)
    process.wait()


def _kill(everybody: Sequence[psutil.Process]) -> None:
    for one in everybody:
        with suppress(psutil.NoSuchProcess):
            one.kill()
