import { describe, expect, test } from '@jest/globals';
import { isSecretName } from './index.ts';

describe('a name of a secret', () => {
  const secret = `
    Authorization Proxy-Authorization X-Authorization X-Original-Authorization X-Forwarded-Authorization Cookie Set-Cookie Cookie2 X-Cookie
    Ocp-Apim-Subscription-Key ocpapimsubscriptionkey X-Auth X-Auth-Token X-Auth-Key X-Auth-User X-Auth-Request-Access-Token X-Authentication X-Authenticated-Token
    X-Csrf X-CSRF-Token X-Csrftoken X-Xsrf X-XSRF-TOKEN csrfmiddlewaretoken _csrf authenticity_token __RequestVerificationToken
    X-Session X-Session-Id X-Session-Token X-SessionId session session_id sessionid sessionKey PHPSESSID JSESSIONID ASPSESSIONIDABCDEF connect.sid sid
    X-Amz-Security-Token X-Amz-Signature X-Amz-Credential AWSAccessKeyId x-amz-server-side-encryption-customer-key
    X-Goog-Api-Key X-Goog-Iap-Jwt-Assertion X-Goog-Signature X-Goog-Channel-Token x-goog-credential
    Api-Key X-Api-Key apikey apiKey api_key API-KEY x-apikey xapikey X-RapidAPI-Key X-RapidAPI-Proxy-Secret api.key user[api_key] dd-api-key DD-APPLICATION-KEY xi-api-key
    apca-api-key-id apca-api-secret-key X-Functions-Key aeg-sas-key aeg-sas-token X-Master-Key X-License-Key X-Insert-Key X-Query-Key X-Parse-REST-API-Key
    X-Vault-Token X-Consul-Token Private-Token JOB-TOKEN X-Gitlab-Token X-Shopify-Access-Token X-Shopify-Hmac-Sha256 X-Shopify-Hmac-SHA256 X-Twilio-Signature
    Stripe-Signature X-Hub-Signature X-Hub-Signature-256 X-Slack-Signature Paypal-Transmission-Sig X-Zm-Signature X-Line-Signature X-WC-Webhook-Signature
    X-Hook-Secret X-Trello-Webhook X-Airtable-Content-MAC Typeform-Signature webhook-signature Svix-Signature X-Signature-Ed25519 CB-ACCESS-SIGN CB-ACCESS-PASSPHRASE CB-ACCESS-KEY API-Sign X-MBX-APIKEY
    X-Honeycomb-Team X-Sentry-Auth X-Ms-Token-Aad-Access-Token X-Amzn-Oidc-Accesstoken Cf-Access-Jwt-Assertion Cf-Access-Client-Secret X-Plex-Token X-Emby-Authorization
    X-Tableau-Auth X-Redmine-API-Key X-Figma-Token X-Token x-access-token X-Secret X-Webhook-Secret X-Password X-User-Password X-Pwd X-OTP X-TOTP X-MFA-Code X-JWT
    X-JWT-Assertion DPoP-Token X-Bearer Signature X-Credentials
    token tokens token[] tokens[] access_token accesstoken accessToken refresh_token id_token IdToken auth_token authToken oauth_token oauth_signature oauth_verifier
    client_secret clientsecret clientSecret client_assertion code code_verifier auth_code authorization_code access_code security_code verification_code device_code
    one-time-password one_time_token one-time-code otp otp_code mfa pin pin_code sms_code recovery_code
    jwt pwd passwd password passw0rd_password Password user_password newPassword password_confirmation pass db_pass userpass_password pw user.pw passphrase passcode
    kennwort passwort motdepasse contrasena senha
    key apikeys private_key privateKey privatekey account_key AccountKey SharedAccessKey SharedAccessSignature shared_key signing-key encryption_key secret_key secretKey
    sig Sig signature signatures hmac sas sign x-sign SAMLResponse SAMLRequest saml_assertion device_tokens botTokens signed_request bearer credentials creds auth oauth
    ToKeN tOKEN PaSSWoRD aPiKeY KeY PwD
    %20token token%20 $token token; x_token__ tokenValue secretValue secret_value credentialId
  `;
  test.each(secret.trim().split(/\s+/))('%s', (name) => {
    expect(isSecretName(name)).toBe(true);
    expect(isSecretName(name)).toBe(true);
    expect(isSecretName(`X-${name}`)).toBe(true);
  });
});

describe('a name of no secret', () => {
  const plain = `
    author authors X-Author co-author authority :authority authoring keyboard keyboards monkey donkey hotkey turnkey keynote key_count keyId key-id keys
    tokenize tokenizer tokenization tokenomics max_tokens maxTokens total_tokens completion_tokens token_type token_count tokens_count X-RateLimit-Remaining-Tokens
    secretary secretariat sessions sessions_count session_count obsession possession sessile
    X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Uri X-Forwarded-Port Forwarded X-Real-IP Via Host Accept Accept-Encoding Accept-Language User-Agent
    Content-Type Content-Length Content-Encoding Content-MD5 Content-Digest Repr-Digest Digest X-Hash Date Origin Referer Location Link Range If-Match ETag Connection
    Idempotency-Key idempotency_key webhook-id webhook-timestamp ce-id ce-source ce-type traceparent tracestate baggage X-Request-Id X-Correlation-Id
    X-GitHub-Event X-GitHub-Delivery X-GitHub-Hook-ID X-Gitlab-Event X-Shopify-Topic X-Shopify-Shop-Domain X-Twilio-Webhook-Enabled X-Slack-Request-Timestamp
    X-Signature-Timestamp X-Amz-Date X-Amz-Algorithm X-Amz-Expires X-Amz-SignedHeaders X-Amz-Content-Sha256 paypal-auth-algo paypal-transmission-id paypal-cert-url
    AccountSid CallSid MessageSid Sec-WebSocket-Key Sec-Fetch-Mode partition_key partitionKey routing-key sort_key cache-key Surrogate-Key public_key publicKey site_key
    primary-key foreign_key issue_key projectKey message_key event_key object-key group_key
    country_code zip_code zipcode postcode status_code error_code barcode currencyCode promo_code lang_code
    compass bypass boarding_pass passenger passport passed pass_count password_length auth_method auth_type oauth_timestamp signature-version signature_algorithm
    pinned spin opinion pins design designer sign_up signal callsign assign cosign zodiac_sign sigma insight
    mac sidebar side inside president status state nonce hash id name email q page limit offset sort n x a
    hmacs_count jwks cookie_consent cookiecutter_mode assert insertion dessert
  `;
  test.each(plain.trim().split(/\s+/))('%s', (name) => {
    expect(isSecretName(name)).toBe(false);
    expect(isSecretName(name)).toBe(false);
  });
});

test('endless names take no time that grows faster than they do, and no memory', () => {
  for (const name of ['a'.repeat(16_000), 'aB'.repeat(8000), 'x-'.repeat(8000), '%'.repeat(16_000), 'TOKE'.repeat(4000)])
    isSecretName(name);
  expect(isSecretName(`${'a-'.repeat(8000)}token`)).toBe(true);
});
