// Reloads that come close together: the plugin that was wanted last is the one in force.

import assert from "node:assert/strict";
import type { PolicyConfig } from "../../lib/config/policies.ts";
import { Guards } from "../../lib/policy/guard/guards.ts";
import { waitFor } from "../support/wait.ts";
import { MODULE } from "./plugin_stand.ts";

/** A plugin that rejects with `word`. */
function policy(word: string, name = "own", trusted = false): PolicyConfig {
  const file = `export default { prompt() { return { action: "reject", message: "${word}" }; } };`;
  const options = { name, type: "plugin", file: "own.ts", timeout: 10, trusted };
  return { options, files: { file } } as unknown as PolicyConfig;
}

const QUESTION = {
  stage: "prompt",
  policy: "own",
  model: "m",
  key: "",
  texts: [{ role: "user", channel: "content", text: "hi" }],
  final: true,
} as const;

function begun(now = () => 0) {
  const errors: string[] = [];
  const works: string[] = [];
  const guards = new Guards({
    module: MODULE,
    askModel: () => Promise.reject(new Error("nobody asks")),
    onError: ({ message }) => void errors.push(message),
    onWorks: (policy) => void works.push(policy),
    now,
  });
  const word = async (name = "own") => {
    const verdict = await guards.get(name)!.judge(QUESTION);
    return verdict.action === "pass" ? "" : verdict.message;
  };
  return { guards, errors, works, word, [Symbol.dispose]: () => guards.close() };
}

Deno.test("of plugins that are probed at a time the last that was wanted is kept", async () => {
  using stand = begun();
  const { guards, word } = stand;
  guards.apply([policy("one")]);
  assert.equal(await word(), "one");
  for (const next of ["two", "three"]) guards.apply([policy(next)]);
  await waitFor(async () => await word() === "three", "the newest plugin", 10_000);
  assert.deepEqual(stand.errors, []);
});

Deno.test("a plugin that is taken back while it is probed does not come into force", async () => {
  using stand = begun();
  const { guards, word } = stand;
  guards.apply([policy("one")]);
  assert.equal(await word(), "one");
  const before = guards.get("own");
  guards.apply([policy("two")]);
  // What is probed after it is through after it.
  for (const other of ["x", "y"]) guards.apply([policy("one"), policy(other, "other")]);
  await waitFor(async () => await word("other") === "y", "the other plugin", 10_000);
  assert.equal(guards.get("own"), before);
});

Deno.test("a plugin that is being probed is not made once more by the next snapshot", async () => {
  using stand = begun();
  const { guards, word } = stand;
  guards.apply([policy("one")]);
  assert.equal(await word(), "one");
  const made: string[] = [];
  const { Worker } = globalThis;
  globalThis.Worker = class extends Worker {
    constructor(...parts: ConstructorParameters<typeof Worker>) {
      made.push(String(parts[1]?.name));
      super(...parts);
    }
  };
  try {
    for (let k = 0; k < 3; k++) guards.apply([policy("two")]);
  } finally {
    globalThis.Worker = Worker;
  }
  assert.equal(made.length, 1);
  await waitFor(async () => await word() === "two", "the new plugin", 10_000);
});

Deno.test("a plugin that was refused is not probed by every snapshot, and is a minute later", async () => {
  let nowMs = 0;
  using stand = begun(() => nowMs);
  const { guards, errors, word } = stand;
  guards.apply([policy("one")]);
  assert.equal(await word(), "one");
  const before = guards.get("own");
  const broken = `throw new Error("at the top"); ${policy("no").files.file}`;
  const wrong: PolicyConfig = { ...policy("no"), files: { file: broken } };
  guards.apply([wrong]);
  await waitFor(() => errors.length > 0, "it to be refused", 10_000);
  assert.match(errors[0], /`own` does not work; the one before stays/);
  assert.equal(guards.get("own"), before);

  const probed = async (next: PolicyConfig) => {
    for (let snapshot = 0; snapshot < 3; snapshot++) guards.apply([next]);
    // What is probed after it is through after it.
    guards.apply([next, policy("x", "other")]);
    await word("other");
    guards.apply([next]);
    return errors.length;
  };
  nowMs += 59_000;
  assert.equal(await probed(wrong), 1);
  nowMs += 2000;
  guards.apply([wrong]);
  await waitFor(() => errors.length > 1, "it to be tried again", 10_000);
  assert.equal(await probed(wrong), 2);
  // One that is probed meanwhile does not come into force once the file says that one again.
  guards.apply([policy("three")]);
  guards.apply([wrong, policy("y", "other")]);
  await waitFor(async () => await word("other") === "y", "the other plugin", 10_000);
  assert.equal(guards.get("own"), before);
  // Other code need not wait.
  guards.apply([policy("two")]);
  await waitFor(async () => await word() === "two", "the new plugin", 10_000);
  assert.equal(errors.length, 2);
});

Deno.test("a plugin that was refused is tried by every reload that somebody asked for, and what came of it is said", async () => {
  using stand = begun();
  const { guards, errors, works, word } = stand;
  guards.apply([policy("one")], 1);
  assert.equal(await word(), "one");
  const broken = `throw new Error("at the top"); ${policy("no").files.file}`;
  const wrong: PolicyConfig = { ...policy("no"), files: { file: broken } };
  guards.apply([wrong], 2);
  await waitFor(() => errors.length === 1, "it to be refused", 10_000);
  guards.apply([wrong], 3);
  await waitFor(() => errors.length === 2, "it to be refused again", 10_000);
  // The fleet changes.
  for (let snapshot = 0; snapshot < 3; snapshot++) guards.apply([wrong], 3);
  guards.apply([wrong, policy("x", "other")], 3);
  assert.equal(await word("other"), "x");
  assert.equal(errors.length, 2);
  assert.deepEqual(works, []);
  guards.apply([policy("two"), policy("x", "other")], 4);
  await waitFor(() => works.length === 1, "the new one to be told", 10_000);
  assert.equal(await word(), "two");
});

Deno.test("a first plugin that does not work says so again at every reload", async () => {
  using stand = begun();
  const { guards, errors, works } = stand;
  const broken = `throw new Error("at the top"); ${policy("no").files.file}`;
  const wrong: PolicyConfig = { ...policy("no"), files: { file: broken } };
  for (let reading = 1; reading <= 3; reading++) {
    for (let snapshot = 0; snapshot < 3; snapshot++) guards.apply([wrong], reading);
    await waitFor(() => errors.length === reading, `${reading} refusals`, 10_000);
  }
  assert.match(errors[2], /^plugin of policy `own` does not work: .*at the top/);
  assert.deepEqual(works, []);
});

Deno.test("a trusted plugin that does not work does not replace one that does either", async () => {
  using stand = begun();
  const { guards, errors, works, word } = stand;
  const trusted = (word: string) => policy(word, "own", true);
  guards.apply([trusted("one")]);
  assert.equal(await word(), "one");
  const faults: [file: string, why: RegExp][] = [
    ['throw new Error("at the top");', /at the top/],
    ["", /expected `export default/],
    ["export const prompt = () => 'pass';", /expected `export default/],
    ["export default { prompt: 1 };", /expected `export default/],
    ["export default { prompt() { throw new Error('boom'); } };", /boom/],
    ["export default { answer() { return { action: 'dance' }; } };", /stays: /],
  ];
  for (const [file, why] of faults) {
    errors.length = 0;
    guards.apply([{ ...trusted("no"), files: { file } }]);
    assert.equal((await guards.tried()).length, 1, file);
    assert.match(errors.join(), /`own` does not work; the one before stays/);
    assert.match(errors.join(), why);
    assert.equal(await word(), "one");
  }
  guards.apply([trusted("two")]);
  assert.deepEqual(await guards.tried(), []);
  assert.equal(await word(), "two");
  assert.deepEqual(works, ["own"]);
});

Deno.test("a trusted plugin without a call is no plugin that lets everything pass", async () => {
  using stand = begun();
  stand.guards.apply([{ ...policy("", "own", true), files: { file: "export default {};" } }]);
  await assert.rejects(stand.word(), { reason: "error" });
});
