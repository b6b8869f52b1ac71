import { createHash } from 'node:crypto';

/**
 * Secrets that nobody has, made when the test runs: no scanner finds one in these sources, and neither do we.
 */
export function randomText(alphabet: string, length: number, seed: string): string {
  let text = '';
  for (let block = 0; text.length < length; block += 1) for (const byte of createHash('sha256').update(`${seed} ${block}`).digest()) text += alphabet[byte % alphabet.length];
  return text.slice(0, length);
}

const lower = 'abcdefghijklmnopqrstuvwxyz';
const upper = lower.toUpperCase();
const digits = '0123456789';
export const hex = `${digits}abcdef`;
export const base62 = lower + upper + digits;
const base64url = `${base62}-_`;
const some = (alphabet: string, length: number): string => randomText(alphabet, length, `${alphabet} ${length}`);
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const pem = (label: string, lineEnd = '\n', headers = ''): string => [`-----${'BEGIN'} ${label}-----`, ...(headers === '' ? [] : [headers, '']), some(`${base62}+/`, 64), some(`${base62}+/`, 64), `-----${'END'} ${label}-----`].join(lineEnd);

/** `[kind, text around it, the secret]`; where the secret is left out, its text begins at the same place. */
export const planted: readonly [kind: string, before: string, secret: string, after: string][] = [
  ['aws_access_key_id', 'id = "', `AK${'IA'}${some(`${upper}234567`, 16)}`, '"'],
  ['aws_access_key_id', '', `AS${'IA'}${some(`${upper}234567`, 16)}`, ''],
  ['aws_secret_key', 'aws_secret_access_key = ', some(`${base62}/+`, 40), '\n'],
  ['aws_secret_key', '"secretAccessKey": "', some(`${base62}/`, 40), '",'],
  ...['p', 'o', 'u', 's', 'r'].map((letter): [string, string, string, string] => ['github_token', "git('", `gh${letter}_${some(base62, 36)}`, "')"]),
  ['github_token', '', `github${'_pat_'}${some(base62, 22)}_${some(base62, 59)}`, ' '],
  ['gitlab_token', 'PRIVATE-TOKEN: ', `glp${'at-'}${some(base64url, 20)}`, '\n'],
  ['slack_token', '"', `xox${'b-'}${some(digits, 12)}-${some(digits, 13)}-${some(base62, 24)}`, '"'],
  ['slack_webhook', `https://hooks.${'slack.com'}/services/`, `T${some(upper + digits, 8)}/B${some(upper + digits, 10)}/${some(base62, 24)}`, ''],
  ['discord_webhook', `https://discord.com/${'api/webhooks'}/${some('123456789', 18)}/`, some(base64url, 68), ''],
  ['stripe_key', 'Stripe("', `sk_${'live_'}${some(base62, 24)}`, '")'],
  ['stripe_key', '', `rk_${'live_'}${some(base62, 99)}`, ''],
  ['google_api_key', '?key=', `AI${'za'}${some(base64url, 35)}`, '&x'],
  ['google_oauth', '"', `GOC${'SPX-'}${some(base64url, 28)}`, '"'],
  ['google_service_account', '{"private_key_id": "', some(hex, 40), '"}'],
  ['openai_key', 'Client(', `sk${'-'}${some(base62, 48)}`, ')'],
  ['openai_key', "'", `sk${'-proj-'}${some(base64url, 120)}A`, "'"],
  ['anthropic_key', '"', `sk${'-ant-'}api03-${some(base64url, 93)}AA`, '"'],
  ['huggingface_token', 'HF=', `h${'f_'}${some(lower + upper, 34)}`, '\n'],
  ['npm_token', '//registry/:_authToken=', `np${'m_'}${some(base62, 36)}`, '\n'],
  ['pypi_token', 'twine -p ', `py${'pi-'}AgEIcHlwaS5vcmc${some(base64url, 150)}`, '\n'],
  ['jwt', 'cookie: s=', `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded({ sub: '1234', iat: 1516239022 })}.${some(base64url, 43)}`, ';'],
  ['private_key', 'x\n', pem(`RSA ${'PRIVATE'} KEY`), '\n'],
  ['private_key', '', pem(`EC ${'PRIVATE'} KEY`), ''],
  ['private_key', '', pem(`OPENSSH ${'PRIVATE'} KEY`), ''],
  ['private_key', '', pem(`RSA ${'PRIVATE'} KEY`, '\n', `Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,${some(hex, 32).toUpperCase()}`), ''],
  ['private_key', '', pem(`PGP ${'PRIVATE'} KEY BLOCK`, '\n', 'Version: GnuPG v2'), ''],
  ['private_key', '"key": "', pem(`${'PRIVATE'} KEY`, '\\n'), '"'],
  ['url_password', 'DATABASE=postgres://shop:', 'kT7!vq$Lw2', '@db.internal:5432/shop'],
  ['url_password', 'amqps://worker:', some(base62, 20), '@rabbit-1/vhost'],
  ['url_password', 'redis://:', some(base62, 12), '@10.0.0.3:6379'],
  ['azure_storage_key', 'DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=', `${some(`${base62}+/`, 86)}==`, ';EndpointSuffix=x'],
  ['twilio_key', '"', `S${'K'}${some(hex, 32)}`, '"'],
  ['sendgrid_key', "'", `S${'G.'}${some(base64url, 21)}a.${some(base64url, 42)}b`, "'"],
  ['telegram_token', `/bot${some('123456789', 10)}:`, `A${'A'}${some(base64url, 32)}c`, '/getMe'],
  ['basic_auth', 'Authorization: Basic ', Buffer.from('shop:kT7!vq$Lw2').toString('base64'), '\n'],
  ['bearer_token', '-H "authorization: bearer ', some(base62, 40), '"'],
  ['digitalocean_token', '', `dop${'_v1_'}${some(hex, 64)}`, ''],
  ['docker_token', '', `dckr${'_pat_'}${some(base62, 27)}`, ''],
  ['shopify_token', '', `shp${'at_'}${some(hex, 32)}`, ''],
  ['vault_token', '', `hv${'s.'}${some(base64url, 95)}d`, ''],
  ['age_key', '', `AGE-SECRET${'-KEY-1'}${some(upper + digits, 58)}`, ''],
  ['assigned_secret', 'SECRET_KEY = "', some(`${base62}+/`, 32), '"'],
  ['assigned_secret', 'export SESSION_TOKEN=', some(hex, 40), '\n'],
  ['assigned_secret', "const apiKey: ApiKey = undefined; config['api_key'] = '", some(hex, 32), "';"],
  ['assigned_secret', 'client-secret: ', `${some(base64url, 31)}e`, '\n'],
  ['assigned_secret', '{"privateKey": "', some(hex, 64), '"}'],
  ['assigned_secret', '?a=1&access_token=', some(base62, 32), '&b=2'],
  ['assigned_secret', ':credential => "', some(lower + digits, 24), '"'],
  ['assigned_secret', '#define WIFI_TOKEN "', some(base62, 24), '"'],
  ['assigned_password', 'password: "', 'kT7!vq$Lw2#', '"'],
  ['stripe_key', '"', `sk_${'test_'}${some(base62, 24)}`, '"'],
  ['putty_key', 'PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 2\n', `${some(`${base62}+/`, 64)}\n${some(`${base62}+/`, 63)}=`, '\nPrivate-MAC: x'],
  ['bearer_token', '"Authorization": "token ', some(hex, 40), '"'],
  ['assigned_secret', "SECRET_KEY = '", `django-${'insecure-'}${some(`${lower}${digits}!@#$%^&*(-_=+)`, 50)}`, "'"],
  ['assigned_secret', 'SECRET_KEY = "', some(`${lower}${digits}!@#$%^&*(-_=+)`, 51), '"'],
  ['assigned_secret', 'const key = "', some(base62, 40), '";'],
  ['assigned_secret', 'auth = "', some(base62, 41), '"'],
  ['assigned_secret', 'Client(key="', some(base62, 42), '")'],
  ['assigned_secret', 'sig=', some(base62, 43), '&x=1'],
  ['assigned_secret', 'oauth_token_id = "', some(base62, 44), '"'],
  ['assigned_secret', 'api_key = (\n    "', some(base62, 39), '"\n)'],
  ['assigned_secret', 'api_key =\n  "', some(base62, 38), '";'],
  ['assigned_secret', 'token: >-\n  ', some(base62, 37), '\n'],
  ['assigned_secret', '<add key="ApiKey" value="', some(base62, 36), '" />'],
  ['assigned_secret', 'headers["X-Auth-Token"] = "', some(`${base62}!#%&*+:;?@^_~`, 35), '"'],
  ['assigned_password', 'DB_PASSWORD=', 'kT7@vq#Lw2zR', '\n'],
  ['assigned_password', 'password: ', 'kT7#vq!Lw2zR', '\n'],
  ['assigned_password', 'spring.datasource.password=', 'kT7vqLw2zR9!', '\n'],
  ['assigned_password', 'Server=db1;User Id=shop;Password=', 'kT7@vq#Lw2zR', ';Encrypt=true'],
  ['assigned_password', '<password>', 'kT7@vq#Lw2zR', '</password>'],
  ['assigned_password', 'machine git.internal login shop password ', 'kT7@vq#Lw2zR', '\n'],
  ['assigned_password', 'machine git.internal\n  login shop\n  password ', some(base62, 20), '\n'],
];

/** What only looks like a secret, or is shown instead of one. */
export const innocents: readonly string[] = [
  'password = "changeme"', 'password = "hunter2"', "PASSWORD: 'correct-horse-battery-staple'", 'api_key = "your-api-key"', 'api_key: "YOUR_API_KEY_GOES_HERE_12345"', `api_key = "${'x'.repeat(32)}"`,
  'token: ${TOKEN_OF_THE_SERVICE_1}', 'token: "${{ secrets.GITHUB_TOKEN }}"', 'token = "<your-token-of-32-chars-here1>"', 'secret = os.environ["SECRET_KEY_FOR_PROD_2"]', 'const secret = process.env.SECRET_KEY_FOR_PROD_2;', 'secret_key = getenv("SECRET_KEY_2_OF_2")',
  `integrity sha512-${randomText(`${base62}+/`, 86, 'integrity')}==`, `"integrity": "sha512-${randomText(`${base62}+/`, 86, 'integrity')}=="`, `--hash=sha256:${randomText(hex, 64, 'pin')}`, `commit ${randomText(hex, 40, 'commit')}`, `revision = "${randomText(hex, 40, 'revision')}"`,
  'token_id = "123e4567-e89b-12d3-a456-426614174000"', 'session_token: 123e4567-e89b-12d3-a456-426614174000', `password_hash = "${randomText(hex, 64, 'hash')}"`, `tokenizer_revision = "${randomText(hex, 40, 'tokenizer')}"`, `tokenizer: "${randomText(hex, 40, 'tokenizer')}"`, 'token_url = "https://auth.internal/oauth2/v1/token"',
  'secret_name: "projects/shop-1/secrets/database-url"', 'accessKey = "settings.accessKey.label.v2"', 'refreshToken: "refreshTokenExpiredError401"', 'TOKEN_TYPE = "urn:ietf:params:oauth:token-type:jwt2"', 'token = await getTokenOfUser2FromSession(request)', 'secret: buildSecretName(environment1, region2)',
  `AK${'IA'}IOSFODNN7EXAMPLE`, `aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfi${'CYEXAMPLEKEY'}`, `gh${'p_'}${'x'.repeat(36)}`, `sk${'-'}your-key-goes-here-0001`, 'sk-learn-compatible-estimators-and-more', '<div class="sk-folding-cube-wrapper-element">', `h${'f_'}some_function_name_that_is_rather_long`, 'npm_config_registry_of_the_company_here',
  'postgres://user:password@localhost/db', 'postgres://${USER}:${PASSWORD}@db/shop', 'amqp://guest:guest@localhost:5672', 'mysql://root:root@127.0.0.1', 'https://user:kT7vqLw2@example.com/', 'https://shop:shop@db.internal/', 'http://[::1]:8080/a@b', 'git+https://github.com/a/b.git@1.2', 'see https://a.b/c: mail d@e.f', 'mongodb://<user>:<password>@host',
  'Authorization: Basic realm=shop', 'basic authentication', 'Basic dXNlcjpwYXNzd29yZA==', 'Authorization: Bearer <token>', 'Authorization: Bearer ${token}', 'bearer tokens are explained below', 'Authorization: Bearer your_access_token_123',
  `-----${'BEGIN'} PUBLIC KEY-----\n${randomText(`${base62}+/`, 64, 'public')}\n`, `-----${'BEGIN'} CERTIFICATE-----\n${randomText(`${base62}+/`, 64, 'certificate')}\n`, `if text.startswith("-----${'BEGIN'} PRIVATE KEY-----"):\n    raise ValueError("a private key")`, `-----${'BEGIN'} PRIVATE KEY-----\n...\n-----${'END'} PRIVATE KEY-----`,
  `eyJ${'hbGciOi'}...`, 'xoxb-your-token', 'SG.x.y', 'def token(self, value: "Token12345678901234567") -> None:', 'passwordField.placeholder = "At least 10 Characters!"', 'tokens = ["identifier_1", "identifier_2"]', 'pwd=/home/user/project1/build2/output', 'secret=000000000000000000000000', 'def load(private_key: ed25519.Ed25519PrivateKey) -> None', `publicKeyToken="${randomText(hex, 16, 'assembly')}"`, 'gist://username:token@gist/path', 'token=0123456789abcdef0123456789abcdef',
  'const key = "settings.window.title2"', 'key: "user:${id}:profile"', 'key = f"{user1}:{region2}:{session_Name3}"', 'password: Joi.string().min(8).max(32)', 'password=request.form["password1"],', 'this.password = Buffer.from(Env2.value)', 'password: string | undefined;', 'PASSWORD=$DB_PASSWORD_FOR_PROD1', 'secret: "https://vault.internal/v1/secret?Version=2&key=A1"', 'token = /^[A-Za-z0-9_-]{16,32}$/', 'auth=("user1", "Name2")', `cache_key = "${randomText(hex, 16, 'cache')}"`, 'login with your password Kt7isNotGivenHere', '<key>CFBundleShortVersionString2</key>', "pattern: '^(?:token|Secret2)[A-Z]+$'", 'api_key =\nconst Other1 = readEverything2()',
];
