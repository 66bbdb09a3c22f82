"""What encryption promises, for any content."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from heraldry.chassis.vault.hashing import keyed_hash
from heraldry.chassis.vault.keys import Key, UnreadableError, address, decrypt, encrypt
from heraldry.chassis.vault.sealed import open_from_link, open_sealed, seal, seal_for_link
from heraldry.contracts.base import Refused
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.public import PrivateKey

KEYS = st.builds(Key, subject=st.just("someone"), secret=st.binary(min_size=32, max_size=32))


@given(KEYS, st.binary(max_size=500), st.binary(max_size=80))
def test_what_was_encrypted_is_read_again(key: Key, content: bytes, associated: bytes) -> None:
    sealed = encrypt(key, content, associated)
    assert decrypt(key, sealed, associated) == content
    assert encrypt(key, content, associated) != sealed


@given(KEYS, st.binary(max_size=60), st.data())
def test_a_changed_byte_anywhere_is_noticed(key: Key, content: bytes, data: st.DataObject) -> None:
    sealed = bytearray(encrypt(key, content, b"event key"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableError):
        decrypt(key, bytes(sealed), b"event key")


@given(KEYS, KEYS, st.binary(max_size=60))
def test_another_key_or_another_place_reads_nothing(key: Key, other: Key, content: bytes) -> None:
    sealed = encrypt(key, content, b"event-1 key")
    with pytest.raises(UnreadableError):
        decrypt(key, sealed, b"event-2 key")
    if other.secret != key.secret:
        with pytest.raises(UnreadableError):
            decrypt(other, sealed, b"event-1 key")


@given(KEYS, st.binary(max_size=100))
def test_noise_is_unreadable(key: Key, noise: bytes) -> None:
    with pytest.raises(UnreadableError):
        decrypt(key, noise, b"")


def test_a_key_does_not_show_its_secret() -> None:
    assert "secret" not in repr(Key("someone", b"s" * 32))


@pytest.mark.parametrize("subject", ["", "a.b", "*", ">", "a b", "x" * 129, "a\r\nPUB x 0"])
def test_what_is_no_id_is_no_subject(subject: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        address("mailbox", subject)


@settings(max_examples=25)
@given(st.binary(max_size=300))
def test_only_the_owner_opens_what_was_sealed(content: bytes) -> None:
    owner = PrivateKey.generate()
    sealed = seal(owner.public_key, content)
    assert open_sealed(owner, sealed) == content
    with pytest.raises(Refused) as refused:
        open_sealed(PrivateKey.generate(), sealed)
    assert refused.value.code == "secret.unreadable"


@settings(max_examples=50)
@given(
    st.one_of(st.text(max_size=100), st.binary(max_size=100).map(lambda raw: base64.b64encode(raw).decode()))
)
def test_nonsense_is_refused_not_an_error(nonsense: str) -> None:
    with pytest.raises(Refused) as refused:
        open_sealed(PrivateKey.generate(), nonsense)
    assert refused.value.code == "secret.unreadable"
    assert not nonsense.strip() or len(nonsense) < 4 or nonsense not in refused.value.detail


@settings(max_examples=25)
@given(st.binary(max_size=300))
def test_what_was_sealed_for_a_link_stands_in_an_address_as_it_is(content: bytes) -> None:
    owner = PrivateKey.generate()
    token = seal_for_link(owner.public_key, content)
    assert quote(token, safe="") == token
    assert open_from_link(owner, token) == content
    assert open_from_link(PrivateKey.generate(), token) is None
    again = [seal_for_link(owner.public_key, content, alike=secret) for secret in (b"one", b"one", b"two")]
    assert again[0] == again[1] != again[2]
    assert open_from_link(owner, again[0]) == open_from_link(owner, again[2]) == content
    assert len(again[0]) == len(token)


@settings(max_examples=50)
@given(
    st.one_of(
        st.text(max_size=100), st.binary(max_size=100).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
    )
)
def test_nonsense_in_a_link_opens_nothing(nonsense: str) -> None:
    assert open_from_link(PrivateKey.generate(), nonsense) is None


@given(KEYS, KEYS, st.text(max_size=50), st.text(max_size=50))
def test_a_hash_depends_on_key_and_value_only(key: Key, other: Key, value: str, another: str) -> None:
    assert keyed_hash(key, value) == keyed_hash(key, value)
    assert len(keyed_hash(key, value)) == 64
    assert (keyed_hash(key, value) == keyed_hash(key, another)) == (value == another)
    assert (keyed_hash(key, value) == keyed_hash(other, value)) == (key.secret == other.secret)
