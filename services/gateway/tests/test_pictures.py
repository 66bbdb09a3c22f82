"""Hostile pictures."""

from __future__ import annotations

import asyncio
import base64
import io
import struct
import zlib

import pytest
from heraldry.contracts.base import Refused
from heraldry.gateway.pictures import LARGEST_FILE, SIDE, re_encoded
from PIL import Image


def picture(form: str, size: tuple[int, int] = (900, 600), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, form, **options)  # pyright: ignore[reportArgumentType]  options vary by format
    return out.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 10))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_a_picture_becomes_a_small_webp(form: str) -> None:
    with Image.open(io.BytesIO(base64.b64decode(await re_encoded(picture(form))))) as made:
        assert (made.format, max(made.size)) == ("WEBP", SIDE)


async def test_metadata_does_not_survive() -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    made = base64.b64decode(await re_encoded(picture("JPEG", exif=exif)))
    assert b"where I live" not in made
    assert b"EXIF" not in made


async def test_what_hides_behind_a_picture_does_not_survive() -> None:
    made = base64.b64decode(await re_encoded(picture("PNG") + b"<script>alert(1)</script>PK\x03\x04"))
    assert b"script" not in made
    assert b"PK\x03\x04" not in made


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7"]
)
async def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(Refused) as refused:
        await re_encoded(content)
    assert (refused.value.code, refused.value.field) == ("picture.unreadable", "picture")


async def test_a_hundred_megapixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(Refused) as refused:
        await re_encoded(claiming(10_000, 10_000))
    assert refused.value.code == "picture.too-many-pixels"


async def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        await re_encoded(b"\0" * (LARGEST_FILE + 1))
    assert (refused.value.code, refused.value.status) == ("picture.too-large", 413)


async def test_a_picture_that_is_drawn_thousands_of_times_is_refused_before_it_is_decoded() -> None:
    content = picture("JPEG", progressive=True)
    last, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    assert await re_encoded(content)
    bomb = content[:end] + content[last:end] * 5_000 + content[end:]
    with pytest.raises(Refused) as refused:
        async with asyncio.timeout(2):
            await re_encoded(bomb)
    assert refused.value.code == "picture.unreadable"
