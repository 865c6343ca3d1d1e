"""A constant answer over TLS on the service's own listener, with Starlette's router: what TLS and the framework cost.

Prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from pwreset.settings.load import load
from pwreset.web.listener import Listener, open_socket
from pwreset.web.tls import server_context

ANSWER = b'{"jsonrpc":"2.0","id":0,"result":"https://localhost:8443/r/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}'


async def answer(request: Request) -> Response:
    """Always the same."""
    await request.body()
    return Response(ANSWER, media_type="application/json")


async def main(config: Path) -> None:
    server = load(config).settings.server
    listening = open_socket("127.0.0.1:0")
    listener = Listener(listening, Router([Route("/manag/", answer, methods=["POST"])]), server)
    await listener.listen(server_context(server))
    print(listener.address[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
