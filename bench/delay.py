"""Distance: a process that passes bytes on to Postgres and back, each way half a round trip late.

    python -m bench.delay FOLDER SOCKET_FOLDER SECONDS

listens on Postgres' socket in the first folder, and stands for the one in the second, until its
standard input ends.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio import StreamReader, StreamWriter
from pathlib import Path

import uvloop

SOCKET = ".s.PGSQL.5432"


async def serve(folder: Path, server: Path, round_trip: float) -> None:
    """Stand for the server, until standard input ends."""
    loop = asyncio.get_running_loop()

    async def carry(reader: StreamReader, writer: StreamWriter) -> None:
        # Timers of one length go off in the order in which they were set.
        try:
            while data := await reader.read(2**16):
                loop.call_later(round_trip / 2, writer.write, data)
        except ConnectionError:
            pass
        loop.call_later(round_trip / 2, writer.close)

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(server / SOCKET)
        await asyncio.gather(carry(reader, to_server), carry(from_server, writer))

    listener = await asyncio.start_unix_server(connected, folder / SOCKET, backlog=100)
    async with listener:
        await asyncio.to_thread(sys.stdin.read)  # it ends with who started this, in whatever way


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with who started it
    uvloop.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
