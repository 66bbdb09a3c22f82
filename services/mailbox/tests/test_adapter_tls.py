"""How little memory encrypted connections leave behind."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

BUFFERS = textwrap.dedent("""
    import psutil
    from heraldry.mailbox.adapters.tls import return_buffers

    MIB = 1 << 20
    return_buffers()
    process, kept = psutil.Process(), []
    del [bytearray(256 * 1024)][0]  # from here on glibc would take the next ones from its heap
    before = process.memory_info().rss
    for _ in range(3):
        opened = [(bytearray(256 * 1024), bytearray(16 * 1024)) for _ in range(100)]
        kept += [small for _, small in opened[::10]]
        del opened
    print((process.memory_info().rss - before) / MIB)
""")


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that keeps memory")
def test_buffers_that_were_there_at_once_are_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", BUFFERS], capture_output=True, text=True, check=True)
    assert float(told.stdout) < 8  # of 75 MiB; otherwise 25 stay
