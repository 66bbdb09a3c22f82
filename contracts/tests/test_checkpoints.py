"""Checkpoints and markers are kept by witnesses for years: their samples stay readable and say the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from heraldry.contracts.checkpoints import Checkpoint
from heraldry.contracts.markers import Marker
from nacl.signing import VerifyKey
from pydantic import ValidationError

SAMPLES = Path(__file__).parent / "samples"
SIGNED_WITH = VerifyKey(bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"))
DIGESTS = {
    "events": "4200f7591ab6e4f3a7fdead868e5934cdcc4d979486ca37bdc2628620b9a3314",
    "epoch": "941a85241edd408d332b46bb4323873bfdb68f09ca1a58085cfb64b312e9f352",
}


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


@pytest.mark.parametrize("kind", DIGESTS)
def test_a_kept_checkpoint_reads_has_its_digest_and_its_signature_still_holds(kind: str) -> None:
    checkpoint = Checkpoint.model_validate_json(sample(f"checkpoint.{kind}"))
    assert checkpoint.model_dump(mode="json") == json.loads(sample(f"checkpoint.{kind}"))
    assert checkpoint.digest() == DIGESTS[kind]
    SIGNED_WITH.verify(checkpoint.text(), bytes.fromhex(checkpoint.signature))


def test_what_is_signed_is_a_line_for_each_field() -> None:
    checkpoint = Checkpoint.model_validate_json(sample("checkpoint.events"))
    assert checkpoint.text().decode().split("\n") == [
        "heraldry checkpoint 1",
        *("events", "identity", "0190a1b2c3d4", "1", "0", "3", "5"),
        "018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6",
        *("aa" * 32, "bb" * 32, "00" * 32),
        *("2026-05-04T09:30:00Z", ""),
    ]


@pytest.mark.parametrize("field", ["context", "epoch", "event", "hash", "previous", "time", "signature"])
def test_no_field_can_hold_a_line_of_its_own(field: str) -> None:
    said = json.loads(sample("checkpoint.events"))
    for wrong in (f"{said[field]}\n", f"{said[field]}\n0", "٣" * len(said[field])):
        with pytest.raises(ValidationError):
            Checkpoint.model_validate({**said, field: wrong})


def test_markers_from_before_there_were_checkpoints_stay_readable() -> None:
    old = Marker.model_validate_json(sample("marker.before-checkpoints"))
    new = Marker.model_validate_json(sample("marker"))
    assert (old.count, old.checkpoint) == (4, None)
    assert new.checkpoint == Checkpoint.model_validate_json(sample("checkpoint.events"))
    assert new.model_copy(update={"checkpoint": None}) == old
