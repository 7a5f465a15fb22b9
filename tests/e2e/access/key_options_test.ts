// What a key or its group says besides limits: what is kept of its conversations, and apart from whose its prompts are.

import assert from "node:assert/strict";
import { join } from "node:path";
import { recordsOf } from "../../support/records.ts";
import { completion, startUpstream } from "../../support/upstream.ts";
import { waitFor } from "../../support/wait.ts";
import { ask, keyedGateway, makeKey, statusOf } from "./keyed.ts";

Deno.test("access: a group's salt keeps its prompts apart, whatever a client says", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const web = makeKey("web", { group: "g" });
  await using gateway = await keyedGateway(upstream, [web], {
    groups: [{ name: "g", cache_salt: "of-the-group" }],
  });
  assert.equal(await statusOf(ask(gateway, web)), 200);
  assert.equal(await statusOf(ask(gateway, web, { cache_salt: "mine" })), 200);
  for (const { text } of upstream.seen) assert.equal(JSON.parse(text).cache_salt, "of-the-group");
});

Deno.test("access: a key whose conversations are not recorded leaves no record", async () => {
  await using upstream = startUpstream(() => completion("hi"));
  const [quiet, web] = [makeKey("quiet", { record: false }), makeKey("web")];
  await using gateway = await keyedGateway(upstream, [quiet, web]);
  assert.equal(await statusOf(ask(gateway, quiet)), 200);
  assert.equal(await statusOf(ask(gateway, web)), 200);
  let text = "";
  const folder = join(gateway.dataDir, "requests_responses");
  await waitFor(async () => {
    text = "";
    try {
      for await (const { name } of Deno.readDir(folder)) {
        text += await Deno.readTextFile(join(folder, name));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return text.includes('\\"key\\":\\"web\\"');
  }, "the record");
  assert.equal(text.trim().split("\n").length, 1);
  assert.match(text, /\\"charged\\":\{\\"prompt\\":3/);
});

Deno.test('access: of a key whose record is "meta" no word is kept, and that there was a conversation is', async () => {
  await using upstream = startUpstream(() => completion("an answer"));
  const web = makeKey("web", { record: "meta" });
  await using gateway = await keyedGateway(upstream, [web]);
  const messages = [{ role: "user", content: "a secret question" }];
  assert.equal(await statusOf(ask(gateway, web, { messages, stop: ["a secret stop"] })), 200);
  const [record] = await recordsOf(gateway, 1, "incomplete");
  assert.ok(record.conversations.every(({ value }) => value === ""));
  assert.equal(record.meta.key, "web");
  const text = JSON.stringify(record);
  for (const word of ["secret", "an answer"]) assert.ok(!text.includes(word), word);
});
