from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from pwreset.web.protocol import hang_up
from tests.servers.wire import certificate


async def test_a_tls_connection_that_was_closed_twice_can_still_be_hung_up(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    hung_up = asyncio.get_running_loop().create_future()

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.transport.close()
            writer.transport.close()
            hang_up(writer.transport)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells it
            hung_up.set_exception(error)
        else:
            hung_up.set_result(None)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=files.client)
        await hung_up
        writer.transport.abort()
