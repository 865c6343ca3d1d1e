#!/bin/sh
# Ask pwreset for a reset link: send-request.sh USERNAME. Needs curl and jq.
# From the environment: PWRESET_URL, PWRESET_LOGIN (DOMAIN\user), PWRESET_PASSWORD, and CURL_CA_BUNDLE if the system does
# not know the CA of the server's certificate.
set -eu

# The password goes to curl on its standard input: everybody may read a command line in the process list.
escape() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
printf 'user = "%s:%s"\n' "$(escape "$PWRESET_LOGIN")" "$(escape "$PWRESET_PASSWORD")" |
    curl --silent --show-error --max-time 30 --config - --json "$(
        jq --null-input --arg username "$1" \
            '{jsonrpc: "2.0", method: "PwReset.Send_Request", id: 0, params: {$username, method: "MAIL", expires: 72}}'
    )" "${PWRESET_URL%/}/manag/"
echo
