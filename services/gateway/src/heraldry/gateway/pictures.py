"""Pictures of people: whatever arrives is decoded, made small and written anew; nothing else of it is kept."""

from __future__ import annotations

import asyncio
import base64
import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from heraldry.contracts.base import Refused
from PIL import Image, ImageOps, UnidentifiedImageError

LARGEST_FILE: Final = 5 * 1024 * 1024  # bytes
LARGEST_PICTURE: Final = 25_000_000  # pixels, checked before anything is decoded
SIDE: Final = 512  # pixels
LARGEST_RESULT: Final = 512 * 1024  # bytes
FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF")
PATIENCE: Final = 10.0  # seconds
MOST_SCANS: Final = 200  # of a progressive JPEG, each a walk over all pixels; encoders make about ten
START_OF_SCAN: Final = b"\xff\xda"
AT_ONCE: Final = 2  # each holds up to 100 MB while it works
# a thread cannot be stopped: what decodes for ever keeps nobody waiting but other pictures
_DECODING: Final = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="picture")


async def re_encoded(content: bytes) -> str:
    """The picture as WebP of at most 512 x 512 pixels and 512 KiB, in base64.

    Refused: `picture.too-large` (413), `picture.too-many-pixels` and `picture.unreadable` (422).
    """
    if len(content) > LARGEST_FILE:
        raise _refused("picture.too-large", "The picture is larger than 5 MB. Choose a smaller one.", 413)
    if content.count(START_OF_SCAN) > MOST_SCANS:
        raise _unreadable()
    try:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().run_in_executor(_DECODING, _re_encoded, content)
    except TimeoutError:
        raise _unreadable() from None


def _re_encoded(content: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return base64.b64encode(_webp(content)).decode()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, ArithmeticError):
        # what Pillow raises for damaged files is not one kind of error
        raise _unreadable() from None


def _webp(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        if opened.width * opened.height > LARGEST_PICTURE:
            raise _too_many_pixels()
        opened.draft("RGB", (SIDE, SIDE))  # a JPEG is decoded at about the size that is needed
        opened.load()
        upright = ImageOps.exif_transpose(opened)
        mode = "RGBA" if "transparency" in opened.info or "A" in opened.getbands() else "RGB"
        small = upright.convert(mode)
    small.thumbnail((SIDE, SIDE))
    bare = Image.frombytes(small.mode, small.size, small.tobytes())  # without metadata
    for quality in (85, 60, 30):
        out = io.BytesIO()
        bare.save(out, "WEBP", quality=quality, method=4)
        if out.tell() <= LARGEST_RESULT:
            return out.getvalue()
    raise _unreadable()


def _too_many_pixels() -> Refused:
    return _refused(
        "picture.too-many-pixels", "The picture has more than 25 megapixels. Choose a smaller one.", 422
    )


def _unreadable() -> Refused:
    return _refused(
        "picture.unreadable", "This is no picture we can read. Choose a JPEG, PNG, WebP or GIF.", 422
    )


def _refused(code: str, detail: str, status: int) -> Refused:
    return Refused(code, detail, status=status, field="picture")
