"""Data keys, secrets, sealed boxes and blobs on a real server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import nats.errors
import pytest
import structlog.testing
from heraldry.chassis.bus import border
from heraldry.chassis.bus.rights import KEYS
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.chassis.vault import sealed
from heraldry.chassis.vault.blobs import Blobs, BlobTooLargeError, BlobUnknownError
from heraldry.chassis.vault.keys import (
    Destroyed,
    Key,
    KeyDestroyedError,
    KeyRing,
    KeyUnknownError,
    UnreadableError,
    decrypt,
    encrypt,
    shred,
)
from heraldry.chassis.vault.master import MasterKey, MasterKeyError
from heraldry.chassis.vault.secrets import NONE_THERE, SecretConflictError, Secrets, SecretUnknownError
from nats.aio.client import Client

pytestmark = pytest.mark.parts
MASTER = MasterKey(os.urandom(32))


@asynccontextmanager
async def key_ring(nc: Client, context: str = "mailbox") -> AsyncGenerator[KeyRing]:
    ring = KeyRing(nc, context, MASTER)
    await ring.start()
    try:
        yield ring
    finally:
        await ring.stop()


async def becomes(ring: KeyRing, subject: str, expected: Key | Destroyed) -> None:
    def known() -> bool:
        try:
            return ring.get(subject) == expected
        except KeyUnknownError:
            return False

    await until(known)


async def test_a_key_is_made_once_by_whoever_is_first_and_known_to_all_live() -> None:
    async with NatsServer() as server:
        first, second = await server.client("mailbox"), await server.client("mailbox")
        async with key_ring(first) as one, key_ring(second) as other:
            made = await asyncio.gather(*(ring.create("lead-1") for ring in (one, other) * 5))
            assert len({key.secret for key in made}) == 1
            await becomes(one, "lead-1", made[0])
            await becomes(other, "lead-1", made[0])
        async with key_ring(second) as later:
            assert later.get("lead-1") == made[0]


async def test_reading_never_makes_a_key() -> None:
    async with NatsServer() as server:
        async with key_ring(await server.client("mailbox")) as ring:
            with pytest.raises(KeyUnknownError):
                ring.get("nobody")
            with pytest.raises(KeyUnknownError):
                await ring.fetch("nobody")
            with pytest.raises(KeyUnknownError):
                await ring.destroy("nobody")
        operator = await server.client("operator")
        assert (await border.jetstream(operator).stream_info(KEYS)).state.messages == 0


async def test_a_destroyed_key_is_a_record_and_its_bytes_are_overwritten() -> None:
    async with NatsServer() as server:
        nc, other = await server.client("mailbox"), await server.client("mailbox")
        async with key_ring(nc) as ring, key_ring(other) as follower:
            await ring.create("lead-1")
            operator = border.jetstream(await server.client("operator"))
            wrapped = (await operator.get_last_msg(KEYS, "heraldry.keys.mailbox.lead-1")).data or b""
            with pytest.raises(KeyUnknownError):
                await shred(operator, "mailbox", "lead-1")
            await ring.destroy("lead-1")
            await ring.destroy("lead-1")
            assert ring.get("lead-1") == Destroyed("lead-1")
            await becomes(follower, "lead-1", Destroyed("lead-1"))
            with pytest.raises(KeyDestroyedError):
                await follower.create("lead-1")
            assert await shred(operator, "mailbox", "lead-1") == 1
            assert await shred(operator, "mailbox", "lead-1") == 0
        await server.kill()
        on_disk = b"".join(file.read_bytes() for file in files(server.data / "nats"))
        assert wrapped[20:80] not in on_disk


async def test_a_sealed_key_still_reads_and_encrypts_nothing_more_in_any_process() -> None:
    async with NatsServer() as server:
        nc, other = await server.client("mailbox"), await server.client("mailbox")
        async with key_ring(nc) as ring, key_ring(other) as follower:
            key = await ring.create("lead-1")
            vault = Secrets(nc, "mailbox", ring)
            await vault.put("lead-1", "password", b"before", expected_revision=NONE_THERE)
            written = encrypt(key, b"text", b"place")
            await ring.seal("lead-1")
            await ring.seal("lead-1")
            await until(lambda: follower.is_erased("lead-1"))
            for each in (ring, follower):
                sealed_key = each.get("lead-1")
                assert isinstance(sealed_key, Key)
                assert decrypt(sealed_key, written, b"place") == b"text"
                with pytest.raises(KeyDestroyedError):
                    encrypt(sealed_key, b"text", b"place")
                with pytest.raises(KeyDestroyedError):
                    await each.create("lead-1")
            assert (await vault.get("lead-1", "password")).value == b"before"
            with pytest.raises(KeyDestroyedError):
                await vault.put("lead-1", "password", b"after", expected_revision=1)
            assert ring.superseded() == []
            await ring.destroy("lead-1")
            await becomes(follower, "lead-1", Destroyed("lead-1"))
            assert ring.superseded() == follower.superseded() == [1, 2]
            assert ring.erased() == follower.erased() == {"lead-1": 3}


async def test_who_has_no_key_is_sealed_too_so_that_none_is_ever_made() -> None:
    async with NatsServer() as server, key_ring(await server.client("mailbox")) as ring:
        await ring.seal("lead-1")
        assert ring.get("lead-1") == Destroyed("lead-1")
        with pytest.raises(KeyDestroyedError):
            await ring.create("lead-1")


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


async def test_keys_survive_a_killed_server_and_are_followed_again() -> None:
    async with NatsServer() as server:
        nc, other = await server.client("mailbox"), await server.client("mailbox")
        async with key_ring(nc) as ring, key_ring(other) as follower:
            before = await ring.create("before")
            await server.restart()
            await until(lambda: nc.is_connected and other.is_connected)
            after = await ring.create("after")
            await becomes(follower, "after", after)
            assert await follower.fetch("before") == before


async def test_another_master_key_reads_no_key() -> None:
    async with NatsServer() as server:
        nc = await server.client("mailbox")
        async with key_ring(nc) as ring:
            await ring.create("lead-1")
            await ring.create("lead-2")
        stranger = KeyRing(nc, "mailbox", MasterKey(os.urandom(32)))
        with (
            structlog.testing.capture_logs() as said,
            pytest.raises(MasterKeyError, match=f"{MASTER.fingerprint}.*has now"),
        ):
            await stranger.start()
        assert said == []  # however many keys there are, it is said once
        with pytest.raises(KeyUnknownError):
            stranger.get("lead-1")
        with pytest.raises(MasterKeyError):
            await stranger.fetch("lead-1")
        await stranger.stop()


async def test_a_secret_changes_only_at_the_expected_revision() -> None:
    async with NatsServer() as server:
        nc = await server.client("mailbox")
        async with key_ring(nc) as ring:
            vault = Secrets(nc, "mailbox", ring)
            with pytest.raises(KeyUnknownError):
                await vault.put("inbox-1", "password", b"x", expected_revision=NONE_THERE)
            await ring.create("inbox-1")
            with pytest.raises(SecretUnknownError):
                await vault.get("inbox-1", "password")
            revision = await vault.put("inbox-1", "password", b"first", expected_revision=NONE_THERE)
            tries = await asyncio.gather(
                *(vault.put("inbox-1", "password", b"%d" % n, expected_revision=revision) for n in range(5)),
                return_exceptions=True,
            )
            assert sum(isinstance(result, int) for result in tries) == 1
            assert sum(isinstance(result, SecretConflictError) for result in tries) == 4
            found = await vault.get("inbox-1", "password")
            assert "value" not in repr(found)
            with pytest.raises(SecretConflictError):
                await vault.put("inbox-1", "password", b"x", expected_revision=NONE_THERE)
            with pytest.raises(SecretConflictError):
                await vault.delete("inbox-1", "password", expected_revision=revision)
            await vault.delete("inbox-1", "password", expected_revision=found.revision)
            await vault.delete("inbox-1", "password", expected_revision=found.revision)
            with pytest.raises(SecretUnknownError):
                await vault.get("inbox-1", "password")
            await vault.put("inbox-1", "password", b"again", expected_revision=NONE_THERE)
            assert (await vault.get("inbox-1", "password")).value == b"again"
            await ring.destroy("inbox-1")
            with pytest.raises(KeyDestroyedError):
                await vault.get("inbox-1", "password")
        await server.kill()
        assert not any(b"again" in file.read_bytes() for file in files(server.data / "nats"))


async def test_the_gateway_seals_for_a_service_and_only_that_opens_it() -> None:
    async with NatsServer() as server:
        gateway, nc = await server.client("gateway"), await server.client("mailbox")
        assert await sealed.public_key(gateway, "mailbox") is None
        async with key_ring(nc) as ring:
            vault = Secrets(nc, "mailbox", ring)
            one, other = await asyncio.gather(
                *(sealed.own_private_key(nc, "mailbox", ring, vault) for _ in range(2))
            )
            assert one == other
            assert await sealed.own_private_key(nc, "mailbox", ring, vault) == one
        public = await sealed.public_key(gateway, "mailbox")
        assert public is not None
        assert sealed.open_sealed(one, sealed.seal(public, b"hunter2")) == b"hunter2"


async def test_the_mailbox_seals_for_the_gateway_and_reads_nobody_elses_key() -> None:
    async with NatsServer() as server:
        gateway, mailbox = await server.client("gateway"), await server.client("mailbox")
        async with key_ring(gateway, "gateway") as ring:
            private = await sealed.own_private_key(
                gateway, "gateway", ring, Secrets(gateway, "gateway", ring)
            )
        public = await sealed.public_key(mailbox, "gateway")
        assert public is not None
        assert sealed.open_from_link(private, sealed.seal_for_link(public, b"hello")) == b"hello"
        with pytest.raises(nats.errors.TimeoutError):
            await mailbox.request("$JS.API.DIRECT.GET.KV_VAULT.$KV.VAULT.public.identity", b"", timeout=0.4)


async def test_a_blob_is_stored_once_encrypted_and_read_with_its_key() -> None:
    async with NatsServer() as server:
        nc = await server.client("identity")
        async with key_ring(nc, "identity") as ring:
            key, other = await ring.create("identity-1"), await ring.create("identity-2")
            blobs = Blobs(nc, "identity")
            picture = os.urandom(300_000)
            reference = await blobs.put(key, picture, max_size=500_000)
            operator = border.jetstream(await server.client("operator"))
            before = (await operator.stream_info("OBJ_BLOBS_identity")).state.messages
            assert await blobs.put(key, picture, max_size=500_000) == reference
            assert (await operator.stream_info("OBJ_BLOBS_identity")).state.messages == before
            assert await blobs.get(key, reference) == picture
            assert (await blobs.put(other, picture, max_size=500_000)).digest != reference.digest
            with pytest.raises(UnreadableError):
                await blobs.get(other, reference)
            with pytest.raises(BlobTooLargeError):
                await blobs.put(key, picture, max_size=299_999)
            assert await blobs.get(key, await blobs.put(key, b"", max_size=0)) == b""
            await blobs.delete(reference)
            await blobs.delete(reference)
            with pytest.raises(BlobUnknownError):
                await blobs.get(key, reference)


def test_encrypting_binds_the_place() -> None:
    key = Key("a", os.urandom(32))
    assert decrypt(key, encrypt(key, b"text", b"place"), b"place") == b"text"
