// What is said of certificate files that cannot be served with.

import assert from "node:assert/strict";
import { join } from "node:path";
import { expiryProblem } from "../../lib/config/certificate.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { formatProblem } from "../../lib/config/parse.ts";
import { Authority } from "../support/certificates.ts";
import { temporaryFolder } from "../support/processes.ts";

const INSTANCES = [{ url: "http://127.0.0.1:8000", model_name: "m" }];

function load(folder: string, tls: Record<string, string>, more = {}) {
  const text = JSON.stringify({ instances: INSTANCES, tls, ...more });
  return loadConfig(join(folder, "config.jsonc"), text, () => undefined);
}

function problems(...given: Parameters<typeof load>): string[] {
  const loaded = load(...given);
  return loaded.ok ? [] : loaded.problems.map(formatProblem);
}

const FILES = { cert_file: "cert.pem", key_file: "key.pem" };

Deno.test("certificate files are read beside the configuration, and told apart when they are bad", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const authority = await Authority.make(path);
  const [one, other] = [await authority.sign("one"), await authority.sign("other")];
  const put = (name: string, text: string) => Deno.writeTextFile(join(path, name), text);
  const only = (pattern: RegExp) => {
    const found = problems(path, FILES);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0], /config\.jsonc:1:\d+: tls\./);
    assert.match(found[0], pattern);
  };
  assert.match(problems(path, FILES).join(), /cert\.pem does not exist.*key\.pem does not exist/);
  await put("cert.pem", one.cert);
  await put("key.pem", one.key);
  assert.deepEqual(problems(path, FILES), []);
  const loaded = load(path, FILES);
  assert.ok(loaded.ok && loaded.config.tls !== null);
  assert.equal(loaded.config.tls.cert, one.cert);
  assert.deepEqual(loaded.beside.map((source) => source.path), [
    join(path, "cert.pem"),
    join(path, "key.pem"),
  ]);
  await put("key.pem", other.key);
  only(/tls\.key_file: the key in key\.pem does not belong to the first certificate in cert\.pem/);
  await put("key.pem", one.key.slice(0, 60));
  only(/tls\.key_file: key\.pem holds a key that cannot be read/);
  await put("key.pem", one.cert);
  only(/tls\.key_file: key\.pem holds no private key in PEM/);
  await put("key.pem", one.key.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
  only(/tls\.key_file: key\.pem holds a key with a password/);
  await put("key.pem", one.key);
  await put("cert.pem", "");
  only(/tls\.cert_file: cert\.pem holds no certificate in PEM/);
  await put("cert.pem", one.cert.slice(0, 200));
  only(/tls\.cert_file: cert\.pem holds half a certificate/);
  await put("cert.pem", one.cert + authority.cert.slice(0, 100));
  only(/tls\.cert_file: cert\.pem holds half a certificate/);
  await put("cert.pem", one.cert.replace(/\n[\w+/]{10}/, "\nAAAAAAAAAA"));
  only(/tls\.cert_file: cert\.pem holds a certificate that cannot be read/);
  // The certificate first, then what it is signed by: the other way round is a usual mistake.
  await put("cert.pem", authority.cert + one.cert);
  only(/does not belong to the first certificate/);
  await put("cert.pem", one.cert + authority.cert);
  assert.deepEqual(problems(path, FILES), []);
});

Deno.test("a pair that TLS cannot be served with is told when it is read", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const authority = await Authority.make(path);
  const told = async (key: string[], mend = (text: string) => text) => {
    const { cert, key: text } = await authority.sign("one", { key });
    await Deno.writeTextFile(join(path, "cert.pem"), cert);
    await Deno.writeTextFile(join(path, "key.pem"), mend(text));
    return problems(path, FILES).join("\n");
  };
  const bits = (count: number) => ["-pkeyopt", `rsa_keygen_bits:${count}`];
  for (
    const key of [
      ["ed448"],
      ["rsa:1024"],
      ["rsa-pss", ...bits(2048)],
      ["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    ]
  ) {
    const said = await told(key);
    assert.match(
      said,
      /tls\.cert_file: cert\.pem and key\.pem cannot be served with \(.+\); expected/,
    );
  }
  for (
    const key of [
      ["ed25519"],
      ["rsa:2048"],
      ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
      ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
    ]
  ) {
    assert.equal(await told(key), "");
    assert.equal(await told(key, (text) => text.replaceAll("\n", "\r\n")), "");
  }
});

Deno.test("certificate and key may lie in one file, in either order", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const { cert, key } = await (await Authority.make(path)).sign("one");
  const files = { cert_file: "both.pem", key_file: "both.pem" };
  for (const text of [cert + key, key + cert]) {
    await Deno.writeTextFile(join(path, "both.pem"), text);
    assert.deepEqual(problems(path, files), []);
  }
  await Deno.writeTextFile(join(path, "both.pem"), cert + key.slice(0, 60));
  assert.match(problems(path, files).join(), /holds a key that cannot be read/);
});

Deno.test("authorities of clients must be certificates, and need the listener that can ask", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const authority = await Authority.make(path);
  const one = await authority.sign("one");
  for (const [name, text] of [["cert.pem", one.cert], ["key.pem", one.key], ["ca.pem", "no"]]) {
    await Deno.writeTextFile(join(path, name), text);
  }
  const files = { ...FILES, client_ca_file: "ca.pem" };
  assert.match(problems(path, files).join(), /tls\.client_ca_file: ca\.pem holds no certificate/);
  await Deno.writeTextFile(join(path, "ca.pem"), authority.cert);
  assert.deepEqual(problems(path, files), []);
  assert.match(
    problems(path, files, { listener: "deno_serve" }).join(),
    /tls\.client_ca_file: has no effect with listener deno_serve/,
  );
});

Deno.test("a certificate that is over, or has not begun, is told with its day", async () => {
  await using folder = await temporaryFolder();
  const authority = await Authority.make(folder.path);
  const one = await authority.sign("one");
  for (const [name, text] of [["cert.pem", one.cert], ["key.pem", one.key]]) {
    await Deno.writeTextFile(join(folder.path, name), text);
  }
  const loaded = load(folder.path, FILES);
  assert.ok(loaded.ok && loaded.config.tls !== null);
  const { tls } = loaded.config;
  const dayMs = 86_400_000;
  assert.equal(expiryProblem(tls, Date.now()), null);
  const over = expiryProblem(tls, Date.now() + 11 * dayMs);
  assert.match(String(over), /^the certificate of tls\.cert_file expired on \d{4}-\d\d-\d\d$/);
  assert.match(String(expiryProblem(tls, Date.now() - dayMs)), /is not valid before/);
});
