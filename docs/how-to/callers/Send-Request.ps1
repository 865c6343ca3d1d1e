# Ask pwreset for a reset link: pwsh Send-Request.ps1 -Username jdoe [-Comments 'As you asked']
# -Credential asks for DOMAIN\user and the password when it is not given. PowerShell sends them only after the server
# has said 401 to a first request without them; both requests are answered.
param(
    [Parameter(Mandatory)] [string] $Username,
    [string] $Comments,
    [string] $Url = $env:PWRESET_URL,
    [pscredential] $Credential = (Get-Credential)
)

$params = @{ username = $Username; method = 'MAIL'; expires = 72 }
if ($Comments) { $params.comments = $Comments }
$body = @{ jsonrpc = '2.0'; method = 'PwReset.Send_Request'; params = $params; id = 0 } | ConvertTo-Json

$answer = Invoke-RestMethod -Uri "$($Url.TrimEnd('/'))/manag/" -Method Post -Body $body -Credential $Credential `
    -ContentType 'application/json; charset=utf-8' -ResponseHeadersVariable headers
if ($answer.error) { throw "$($answer.error.message): $($answer.error.data)" }
if ($answer.result -eq $false) { throw "no link: $($headers['Pwreset-Reason'])" }
$answer.result
