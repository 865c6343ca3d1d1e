<?php
// A caller in PHP: curl with a string body, which goes out as application/x-www-form-urlencoded.
[, $url, $credentials, $authority] = $argv;
$call = [
    'jsonrpc' => '2.0',
    'method' => 'PwReset.Send_Request',
    'id' => 0,
    'params' => [
        'username' => 'Jane Doe',
        'domain' => 'RCDEVSDOCS',
        'method' => 'MAILSMS',
        'expires' => 72,
        'comments' => 'This is a message generated with an API',
    ],
];
$curl = curl_init($url);
curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
curl_setopt($curl, CURLOPT_POST, true);
curl_setopt($curl, CURLOPT_POSTFIELDS, json_encode($call));
curl_setopt($curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
curl_setopt($curl, CURLOPT_USERPWD, $credentials);
curl_setopt($curl, CURLOPT_CAINFO, $authority);
$answer = curl_exec($curl);
if ($answer === false) {
    fwrite(STDERR, curl_error($curl) . "\n");
    exit(1);
}
echo json_decode($answer)->result, "\n";
