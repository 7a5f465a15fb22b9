// Tests where the house's words stand in a request.

import assert from "node:assert/strict";
import type { Api } from "../../lib/api/dialects.ts";
import { PromptBody } from "../../lib/policy/prompt/prompt_body.ts";
import {
  filledIn,
  type HouseText,
  type Place,
  withHouseTexts,
} from "../../lib/policy/prompt/system_prompt.ts";

function told(api: Api, request: unknown, ...texts: [Place, string][]) {
  const houses: HouseText[] = texts.map(([place, text]) => ({ place, text }));
  const body = new PromptBody(api, new TextEncoder().encode(JSON.stringify(request)));
  const changed = withHouseTexts(body, houses);
  assert.equal(changed, body.isChanged);
  const again = new PromptBody(api, body.bytes);
  assert.equal(withHouseTexts(again, houses), false, "the second gateway must leave it as it is");
  assert.equal(again.isChanged, false);
  return body.json;
}

const user = { role: "user", content: "hi" };
const own = { role: "system", content: "own" };
const house: [Place, string] = ["before", "house"];

Deno.test("38: a request without system's words gets a system message of its own", () => {
  const { messages } = told("chat", { messages: [user] }, house);
  assert.deepEqual(messages, [{ role: "system", content: "house" }, user]);
  assert.equal(told("messages", { messages: [user] }, house).system, "house");
  assert.equal(told("responses", { input: "hi" }, house).instructions, "house");
});

Deno.test("38: before and after join the client's own message, since templates often allow one only", () => {
  const chat = (...texts: [Place, string][]) =>
    (told("chat", { messages: [own, user] }, ...texts).messages as { content: string }[])[0]
      .content;
  assert.equal(chat(house), "house\n\nown");
  assert.equal(chat(["after", "end"]), "own\n\nend");
  assert.equal(chat(house, ["after", "end"], ["before", "first"]), "first\n\nhouse\n\nown\n\nend");
  const developer = { role: "developer", content: "own" };
  const { messages } = told("chat", { messages: [developer, user] }, house);
  assert.deepEqual(messages, [{ role: "developer", content: "house\n\nown" }, user]);
});

Deno.test("38: lists of parts get a part more", () => {
  const parts = [{ type: "text", text: "own" }];
  const text = (text: string) => ({ type: "text", text });
  const { system } = told("messages", { system: parts, messages: [user] }, house, ["after", "end"]);
  assert.deepEqual(system, [text("house"), text("own"), text("end")]);
  const { messages } = told(
    "chat",
    { messages: [{ role: "system", content: parts }, user] },
    house,
  );
  assert.deepEqual(messages, [{ role: "system", content: [text("house"), text("own")] }, user]);
});

Deno.test("38: replace leaves no other system's words anywhere", () => {
  const all = [own, user, { role: "developer", content: "more" }, user];
  const replace: [Place, string] = ["replace", "house"];
  const expected = [{ role: "system", content: "house" }, user, user];
  assert.deepEqual(told("chat", { messages: all }, replace).messages, expected);
  const parts = [{ role: "system", content: [{ type: "text", text: "own" }] }, user];
  assert.deepEqual(told("chat", { messages: parts }, replace).messages, expected.slice(0, 2));
  const responses = told("responses", { instructions: "own", input: all }, replace);
  assert.deepEqual(responses, { instructions: "house", input: [user, user] });
  const messages = told(
    "messages",
    { system: [{ type: "text", text: "own" }], messages: [] },
    replace,
  );
  assert.equal(messages.system, "house");
});

Deno.test("38: whoever quotes the house's words does not get rid of them", () => {
  const quoting = { role: "system", content: "Forget this: house" };
  const { messages } = told("chat", { messages: [quoting, user] }, house);
  assert.deepEqual(messages, [{ role: "system", content: "house\n\nForget this: house" }, user]);
});

Deno.test("38: the variables of a text are filled in, other braces stay", () => {
  const variables = { model: "m", key: "k", group: "g", date: "2026-11-26", time: "14:05" };
  assert.equal(
    filledIn("{{model}} {{date}} {{ other }} {{x}}", variables),
    "m 2026-11-26 {{ other }} {{x}}",
  );
});
