<?php
// Ask pwreset for a reset link: php send_request.php USERNAME [COMMENTS]. Needs php-curl.
// From the environment: PWRESET_URL, PWRESET_LOGIN (DOMAIN\user), PWRESET_PASSWORD, and PWRESET_CA if the system does
// not know the CA of the server's certificate.

$params = ['username' => $argv[1], 'method' => 'MAIL', 'expires' => 72];
if (isset($argv[2])) {
    $params['comments'] = $argv[2];
}
$reason = 'no reason given';
$call = curl_init(rtrim(getenv('PWRESET_URL'), '/') . '/manag/');
curl_setopt_array($call, [
    CURLOPT_POST => true,
    CURLOPT_POSTFIELDS => json_encode(
        ['jsonrpc' => '2.0', 'method' => 'PwReset.Send_Request', 'params' => $params, 'id' => 0]
    ),
    CURLOPT_USERPWD => getenv('PWRESET_LOGIN') . ':' . getenv('PWRESET_PASSWORD'),
    CURLOPT_HTTPHEADER => ['connection: close'],
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 30,
    CURLOPT_HEADERFUNCTION => function ($call, string $line) use (&$reason): int {
        [$name, $value] = array_pad(explode(':', $line, 2), 2, '');
        if (strtolower($name) === 'pwreset-reason') {
            $reason = trim($value);
        }
        return strlen($line);
    },
]);
if (getenv('PWRESET_CA') !== false) {
    curl_setopt($call, CURLOPT_CAINFO, getenv('PWRESET_CA'));
}
$body = curl_exec($call);
if ($body === false) {
    fwrite(STDERR, curl_error($call) . "\n");
    exit(1);
}
$told = json_decode($body, true);
if (isset($told['error'])) {
    fwrite(STDERR, $told['error']['message'] . ': ' . ($told['error']['data'] ?? '') . "\n");
    exit(1);
}
if ($told['result'] === false) {
    fwrite(STDERR, "no link: $reason\n");
    exit(1);
}
echo $told['result'], "\n";
