import t from 'tap';
import { hostName, loadConfig } from '../../core/config.ts';

const keys = (env: Record<string, string>): boolean => loadConfig(env).apiKeys;

t.test('keys are off on loopback alone', async (t) => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) t.equal(keys({ FORGE_HOST: host }), false, host);
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'forge.example.org', '127.0.0.1.example.org']) t.equal(keys({ FORGE_HOST: host }), true, host);
  t.equal(keys({ FORGE_API_KEYS: 'on' }), true);
  t.equal(keys({ FORGE_ALLOWED_HOSTS: 'forge.example.org' }), true, 'a name of another host means a proxy');
  t.equal(keys({ FORGE_ALLOWED_HOSTS: 'localhost' }), false);
  for (const env of [{ FORGE_HOST: '0.0.0.0' }, { FORGE_ALLOWED_HOSTS: 'localhost,forge.example.org' }]) {
    t.throws(() => loadConfig({ ...env, FORGE_API_KEYS: 'off' }), { message: /FORGE_API_KEYS: must not be off where the service is reached as "/ });
  }
  t.throws(() => loadConfig({ FORGE_API_KEYS: 'maybe' }), { message: /FORGE_API_KEYS: must be auto, on or off/ });
});

t.test('lists hold origins and names as requests bring them', async (t) => {
  t.match(loadConfig({ FORGE_ALLOWED_ORIGINS: ' https://a.example , http://b.example:8080', FORGE_ALLOWED_HOSTS: 'a.example,192.0.2.1,::1' }), { allowedOrigins: ['https://a.example', 'http://b.example:8080'], allowedHosts: ['a.example', '192.0.2.1', '::1'] });
  for (const origin of ['*', 'null', 'a.example', 'https://a.example/', 'https://A.example', 'https://a.example:443', 'ftp://a.example', 'https://*.example']) {
    t.throws(() => loadConfig({ FORGE_ALLOWED_ORIGINS: origin }), { message: /FORGE_ALLOWED_ORIGINS: must be origins/ }, origin);
  }
  for (const name of ['A.example', 'a.example:80', 'https://a.example', 'a/b', '*.example']) t.throws(() => loadConfig({ FORGE_ALLOWED_HOSTS: name }), { message: /FORGE_ALLOWED_HOSTS: must be names/ }, name);
});

t.test('the name in a Host header', async (t) => {
  for (const [authority, name] of [['localhost:8000', 'localhost'], ['LOCALHOST', 'localhost'], ['[::1]:8000', '::1'], ['::1', '::1'], ['127.1', '127.0.0.1'], ['a b', undefined], ['a:b:c', undefined], ['', undefined]] as const) t.equal(hostName(authority), name, authority);
});
