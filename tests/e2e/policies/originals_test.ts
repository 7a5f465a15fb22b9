// data/flagged: what policies found something in, as it was asked and generated. By option only, for the
// gateway's user alone, and never training data.

import assert from "node:assert/strict";
import { join } from "node:path";
import { deleteRecords } from "../../../lib/cli/records/delete.ts";
import { exportRecords } from "../../../lib/cli/export.ts";
import { startGateway } from "../../support/processes.ts";
import { recordsOf } from "../../support/records.ts";
import { chunk, completion, sse, startUpstream } from "../../support/upstream.ts";

const SECRET = "the password is hunter2";
const POLICIES = [
  { name: "words", type: "words", words: [SECRET], on: "answer", action: "mask" },
  { name: "asked", type: "words", words: ["open sesame"], on: "prompt", action: "reject" },
  {
    name: "mails",
    type: "pii",
    find: ["email"],
    on: "prompt",
    action: "replace",
    channels: ["content"],
  },
  { name: "house", type: "system_prompt", text: "Be brief." },
];

async function stand(
  record: Record<string, unknown>,
  answer: () => Response,
  policies: readonly object[] = POLICIES,
) {
  const upstream = startUpstream(answer);
  const gateway = await startGateway({
    config: {
      instances: [{ url: upstream.url, model_name: "m" }],
      record,
      policies,
    },
  });
  return {
    gateway,
    ask: async (content: string | object[], body: object = {}) => {
      const messages = [{ role: "user", content }];
      const response = await gateway.post("/v1/chat/completions", {
        model: "m",
        messages,
        ...body,
      });
      return { status: response.status, text: await response.text() };
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const streamed = () => {
  const said = ["Well, the pass", "word is hunter2", ", really."];
  return sse([...said.map((content) => chunk({ content })), chunk({}, "stop"), "[DONE]"]);
};

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

Deno.test("originals: what was generated and asked is in data/flagged, and nowhere else", async () => {
  await using s = await stand({ originals: true }, streamed);
  const { text } = await s.ask("Write to jane@example.com", { stream: true });
  assert.ok(!text.includes("hunter2"));
  assert.equal((await s.ask("open sesame")).status, 400);
  const { dataDir } = s.gateway;
  const [shown] = await recordsOf(s.gateway, 1);
  assert.ok(
    !/hunter2|jane@example\.com/.test(JSON.stringify(shown)),
    "the record is what was shown",
  );
  const flagged = await recordsOf(s.gateway, 2, "flagged");
  const of = (name: string) =>
    flagged.find(({ meta }) => JSON.stringify(meta).includes(`"name":"${name}"`))!;
  assert.deepEqual(of("words").conversations, [
    { from: "human", value: "Write to jane@example.com" },
    { from: "gpt", value: `Well, ${SECRET}, really.` },
  ]);
  assert.deepEqual(of("asked").conversations, [{ from: "human", value: "open sesame" }]);
  if (Deno.build.os !== "windows") {
    const folder = join(dataDir, "flagged");
    assert.equal(await modeOf(folder), 0o700);
    for await (const { name } of Deno.readDir(folder)) {
      assert.equal(await modeOf(join(folder, name)), 0o600, name);
    }
  }
  // A command says on standard error what it did.
  const output = join(dataDir, "set.json");
  const files = [];
  for await (const { name } of Deno.readDir(join(dataDir, "flagged"))) {
    files.push(join(dataDir, "flagged", name));
  }
  const exported = async (...args: string[]) => {
    assert.equal(await exportRecords.run([...args, "--output", output]), 0);
    return JSON.parse(await Deno.readTextFile(output)).length;
  };
  assert.equal(await exported("--data-dir", dataDir, "--include-incomplete"), 1);
  assert.equal(await exported(...files), 0, "not by its name either");
  assert.equal(await exported("--data-dir", dataDir, "--without-policy-hits"), 0);
  assert.equal(await deleteRecords(dataDir, { client: "127.0.0.1" }, false), 0);
  for (const file of files) {
    const left = await Deno.readTextFile(file).catch(() => "");
    assert.equal(left, "", "deleted with the records");
  }
});

Deno.test("originals: what policies found nothing in is not flagged, and without the option nothing is", async () => {
  const whole = () => completion(`Well, ${SECRET}.`);
  {
    await using s = await stand({ originals: true }, () => completion("Nothing here."));
    await s.ask("hi");
    await recordsOf(s.gateway, 1);
    assert.deepEqual(await foldersOf(s.gateway.dataDir), ["requests_responses"]);
  }
  await using s = await stand({}, whole);
  assert.match((await s.ask("hi")).text, /Well, \*+\./);
  await recordsOf(s.gateway, 1);
  assert.deepEqual(await foldersOf(s.gateway.dataDir), ["requests_responses"]);
});

Deno.test("originals: a whole answer is kept as it was generated, in the form of the records", async () => {
  await using s = await stand(
    { originals: true, format: "openai" },
    () => completion(`${SECRET}!`),
  );
  await s.ask("hi");
  const [flagged] = await recordsOf(s.gateway, 1, "flagged");
  const messages = (flagged as unknown as { messages: { content: string }[] }).messages;
  assert.equal(messages.at(-1)?.content, `${SECRET}!`);
});

Deno.test("originals: what policies only watched is whole in both records, however large", async () => {
  const watch = { type: "words", mode: "audit", action: "mask" };
  await using s = await stand(
    { originals: true },
    () => completion(`${SECRET}! ${"so ".repeat(200_000)}`),
    [
      { ...watch, name: "asked", words: ["open sesame"], on: "prompt" },
      { ...watch, name: "said", words: [SECRET], on: "answer" },
    ],
  );
  const url = `data:image/png;base64,${"iVBORw0KGgo".repeat(300_000)}`;
  await s.ask([{ type: "text", text: "open sesame" }, { type: "image_url", image_url: { url } }]);
  const [shown] = await recordsOf(s.gateway, 1);
  const [flagged] = await recordsOf(s.gateway, 1, "flagged");
  for (const { conversations: [asked, said] } of [shown, flagged]) {
    assert.match(asked.value, /open sesame/);
    assert.ok(said.value.startsWith(SECRET) && said.value.length > 600_000, `${said.value.length}`);
  }
});

/** Of records. */
async function foldersOf(dataDir: string): Promise<string[]> {
  const folders = [];
  for await (const { name } of Deno.readDir(dataDir)) {
    if (["requests_responses", "incomplete", "flagged"].includes(name)) folders.push(name);
  }
  return folders;
}
