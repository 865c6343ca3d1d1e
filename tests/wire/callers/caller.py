"""A caller in Python: what the well-known HTTP client puts on the wire, with the standard library alone."""

import base64
import http.client
import json
import ssl
import sys
from urllib.parse import urlsplit

url, credentials, authority = sys.argv[1:]
call = {
    "jsonrpc": "2.0",
    "method": "PwReset.Send_Request",
    "id": 0,
    "params": {
        "username": "Jane Doe",
        "domain": "RCDEVSDOCS",
        "method": "MAILSMS",
        "expires": 72,
        "comments": "This is a message generated with an API",
    },
}
body = json.dumps(call).encode()
parts = urlsplit(url)
context = ssl.create_default_context(cafile=authority)
connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, context=context)
connection.putrequest("POST", parts.path, skip_accept_encoding=True)
connection.putheader("User-Agent", "python-requests/2.32.3")
connection.putheader("Accept-Encoding", "gzip, deflate")
connection.putheader("Accept", "*/*")
connection.putheader("Connection", "keep-alive")
connection.putheader("Content-Length", str(len(body)))
connection.putheader("Content-Type", "application/json")
connection.putheader("Authorization", "Basic " + base64.b64encode(credentials.encode("latin-1")).decode())
connection.endheaders(body)
answer = connection.getresponse()
if answer.status >= 400:
    sys.exit(f"{answer.status} {answer.reason}")
print(json.loads(answer.read())["result"])  # noqa: T201 - it is what a caller does with it
