// What `check` says of keys, groups and limits: with line and column, and never with a key.

import assert from "node:assert/strict";
import { join } from "node:path";
import { doubtsAbout } from "../../lib/config/doubts.ts";
import { loadConfig, readConfig } from "../../lib/config/load.ts";
import { formatProblem } from "../../lib/config/parse.ts";

const HASH = `sha256:${"a".repeat(64)}`;
const INSTANCES = '"instances": [{ "url": "http://a:8001", "model_name": "m" }]';

function problems(text: string, env: Record<string, string> = {}): string[] {
  const loaded = loadConfig("c.jsonc", `{ ${INSTANCES},\n${text} }`, (name) => env[name]);
  return loaded.ok ? [] : loaded.problems.map(formatProblem);
}

Deno.test("access: what would have no effect, or cannot be meant, is refused with its place", () => {
  const cases: [string, RegExp][] = [
    [
      '"keys": [{ "name": "web", "key": "sk-a-key-in-plain-text-here" }]',
      /^c\.jsonc:2:34: keys\[0\]\.key: a key does not belong into a file/,
    ],
    [
      '"keys": [{ "name": "web", "key": "${A}" }]',
      /keys\[0\]\.key: expected at least 24 characters/,
    ],
    ['"keys": [{ "name": "web" }]', /keys\[0\]: expected `hash`/],
    [
      `"keys": [{ "name": "a", "hash": "${HASH}" },\n { "name": "b", "hash": "${HASH}" }]`,
      /^c\.jsonc:3:25: keys\[1\]\.hash: the same key as `a`/,
    ],
    [
      `"keys": [{ "name": "a", "hash": "${HASH}", "requests_per_minute": 0 }]`,
      /requests_per_minute: .*>0/,
    ],
    [`"keys": [{ "name": "a", "hash": "${HASH}", "group": "g" }]`, /group: no group is named `g`/],
    [
      `"keys": [{ "name": "a", "hash": "${HASH}", "budget": { "period": "day" } }]`,
      /budget: expected `tokens` or `cost`/,
    ],
    [
      `"keys": [{ "name": "a", "hash": "${HASH}", "budget": { "period": "day", "cost": 5 } }]`,
      /budget\.cost: has no effect without `limits\.prices`/,
    ],
    [`"keys": [{ "name": "a", "hash": "${HASH}", "modls": [] }]`, /did you mean `models`\?/],
    [
      '"limits": { "requests_per_minute": 5 }',
      /limits\.requests_per_minute: has no effect without `keys`/,
    ],
    ['"groups": [{ "name": "g" }]', /groups: has no effect without `keys`/],
    ['"access": { "without_key": "web" }', /access\.without_key: has no effect/],
    [
      `"keys": [{ "name": "a", "hash": "${HASH}" }], "access": { "without_key": "b" }`,
      /no key is named `b`/,
    ],
    [`"keys": [{ "name": "a", "hash": "md5:1" }]`, /expected sha256: and 64 hexadecimal digits/],
    [
      `"keys": [{ "name": "a", "hash": "${HASH}", "expires": "tomorrow" }]`,
      /expires: expected a date/,
    ],
    ['"access": { "allow_addresses": ["10.0.0.0/33"] }', /expected an address or a range/],
    ['"limits": { "time_zone": "Mars/Base" }', /expected a time zone/],
  ];
  for (const [text, expected] of cases) {
    const found = problems(text, { A: "short" });
    assert.ok(found.some((one) => expected.test(one)), `${text}\n${found.join("\n")}`);
    assert.ok(!found.join().includes("plain-text"), "the key is shown");
  }
});

Deno.test("access: keys come from both files, and a fault in the keys file is told with its place there", async () => {
  const folder = await Deno.makeTempDir();
  const config = join(folder, "c.jsonc");
  const file = join(folder, "keys.jsonc");
  await Deno.writeTextFile(
    config,
    `{ ${INSTANCES}, "keys_file": "keys.jsonc", "keys": [{ "name": "a", "key": "\${KEY}" }] }`,
  );
  const env = () => "a-key-from-the-environment";
  await Deno.writeTextFile(file, `[\n { "name": "b", "hash": "${HASH}" }]`);
  const loaded = await readConfig(config, env);
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.config.callers!.keys.map(({ name }) => name), ["a", "b"]);
  assert.ok(!JSON.stringify(loaded.config).includes("a-key-from-the"), "the key is kept");
  for (
    const [text, expected] of [
      [`[\n { "name": "a", "hash": "${HASH}" }]`, /keys\.jsonc:2:12: \[0\]\.name: a second key/],
      ['[\n { "nam": "b" }]', /keys\.jsonc:2:4: \[0\]\.nam: unknown option; did you mean `name`/],
      ['[\n { "name": "b", "key": "a-key-in-plain-text-here!" }]', /keys\.jsonc:2:24: /],
      ["{}", /keys\.jsonc:1:1: the file: expected a list/],
    ] as const
  ) {
    await Deno.writeTextFile(file, text);
    const broken = await readConfig(config, env);
    assert.ok(!broken.ok);
    const found = broken.problems.map(formatProblem);
    assert.ok(found.some((one) => expected.test(one)), found.join("\n"));
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("access 29: models that nobody serves, or that have no price, are doubted and not refused", () => {
  const keys = `"keys": [
    { "name": "a", "hash": "${HASH}", "models": ["m", "other", "x*"], "expires": "2020-01-01" }
  ]`;
  const limits = `"limits": { "models": { "gone": {} }, "prices": {
    "n": { "prompt": 1, "completion": 2 }
  } }`;
  const loaded = loadConfig("c.jsonc", `{ ${INSTANCES}, ${keys}, ${limits} }`, () => undefined);
  assert.ok(loaded.ok);
  assert.deepEqual(doubtsAbout(loaded.config, Date.now()), [
    "key `a`: no instance serves the model `other`",
    "key `a`: no instance serves the model `x*`",
    "key `a` has expired",
    "limits.models: no instance serves the model `gone`",
    "limits.prices: no instance serves the model `n`",
    "limits.prices: the model `m` has no price, and costs nothing",
  ]);
});

Deno.test("a token that can be found by trying is doubted, by its length and never its text", () => {
  const doubts = (token: string) => {
    const text = `{ ${INSTANCES}, "admin": { "token": "${token}" } }`;
    const loaded = loadConfig("c.jsonc", text, () => undefined);
    assert.ok(loaded.ok);
    return doubtsAbout(loaded.config, Date.now());
  };
  assert.deepEqual(doubts("wW3qPz0LrT8xNc5d"), []);
  const [found] = doubts("hunter2");
  assert.match(found, /^admin\.token has 7 characters and can be found by trying/);
  assert.ok(!found.includes("hunter2"));
});

Deno.test("an address of a shared state that is none is refused, without a word of its password", () => {
  const found = (url: string) => problems(`"shared_state": ${JSON.stringify({ url })}`);
  for (
    const url of [
      "redis://:hunter#2@10.0.0.3:6379",
      "redis://:hunter/2@10.0.0.3:6379",
      "redis://:hunter?2@10.0.0.3:6379",
      "redis://:hunter%zz@10.0.0.3:6379",
      "redis://:hunter@10.0.0.3:99999",
      "redis://:hunter@[::1:6379",
    ]
  ) {
    const text = found(url).join("\n");
    assert.match(text, /shared_state\.url: is no address/, url);
    assert.doesNotMatch(text, /hunter/);
  }
  for (
    const url of [
      "redis://10.0.0.3",
      "rediss://user:hunter%232@redis.internal:6380/2",
      "valkey://:hunter@[fd00::3]:6379",
      "redis://localhost",
    ]
  ) assert.deepEqual(found(url), [], url);
});
