r"""Ask pwreset for a reset link: python3 send_request.py USERNAME [COMMENTS]. Needs the package requests.

From the environment: PWRESET_URL, PWRESET_LOGIN (DOMAIN\user), PWRESET_PASSWORD, and PWRESET_CA if the system does not
know the CA of the server's certificate.
"""

import json
import os
import sys

import requests

ask = {
    "jsonrpc": "2.0",
    "method": "PwReset.Send_Request",
    "params": {"username": sys.argv[1], "method": "MAIL", "expires": 72},
    "id": 0,
}
if len(sys.argv) > 2:
    ask["params"]["comments"] = sys.argv[2]

answer = requests.post(
    os.environ["PWRESET_URL"].rstrip("/") + "/manag/",
    data=json.dumps(ask),
    headers={"Content-Type": "application/json", "Connection": "close"},
    auth=(os.environ["PWRESET_LOGIN"], os.environ["PWRESET_PASSWORD"]),
    verify=os.environ.get("PWRESET_CA") or True,
    timeout=30,
)
told = answer.json()
if "error" in told:
    sys.exit(f"{told['error']['message']}: {told['error'].get('data', '')}")
if told["result"] is False:
    sys.exit(f"no link: {answer.headers.get('Pwreset-Reason', 'no reason given')}")
print(told["result"])
