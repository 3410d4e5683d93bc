/**
 * A self-signed certificate for tests, for localhost and 127.0.0.1, valid for a hundred years. Made
 * by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj
 * /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1`.
 */
export const certificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3Y/HIjzngW3Ds4ce
XrKvRtgsiGHUAYboRC2WLH8a5j+hRANCAARFOCPcIWaQaC+pBnbbxrT4S8aQQMjc
+8cKd03iLf09xDNrB6sxIwj8C9n0WdCE+Q3zvHTQFiSKJmx2dPeDMa/F
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUPu7eWENgaAf5u7FIFD9CJfI2KwowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTE0NTI0MVoYDzIxMjYxMDI4
MTQ1MjQxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARFOCPcIWaQaC+pBnbbxrT4S8aQQMjc+8cKd03iLf09xDNrB6sxIwj8
C9n0WdCE+Q3zvHTQFiSKJmx2dPeDMa/Fo28wbTAdBgNVHQ4EFgQUum6XgYXVfUg4
p7IIuIUz+meE1LswHwYDVR0jBBgwFoAUum6XgYXVfUg4p7IIuIUz+meE1LswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAO83c1QFRRWyTeXptY6PBvHfrecEHi79Dp1+5+kMYiu5AiB1
zHV25IroIPS6VyJObWP8Yt0heurKa7HiY574uMitag==
-----END CERTIFICATE-----
`,
};
