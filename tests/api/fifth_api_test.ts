// A fifth API is one object: everything that is written against Dialect works with it. The toy here has
// nothing in common with the four.

import assert from "node:assert/strict";
import type { Answer, Assembler, Dialect, Json, StreamEvent } from "../../lib/api/dialect.ts";
import { partOf, textAt } from "../../lib/api/text.ts";
import { eventsIn, namedEvents } from "../../lib/api/wire.ts";
import { assemble } from "../../lib/sse/assemble/assemble.ts";
import { EventStore } from "../../lib/sse/event_store.ts";
import { withTexts } from "./with_texts.ts";

class ToyAssembler implements Assembler {
  #text = "";
  #end: string | null = null;
  #error: string | undefined;

  event(data: Json): void {
    if (data.type === "word") this.#text += data.word;
    if (data.type === "end") this.#end = String(data.why);
    if (data.type === "sorry") this.#error = String(data.words);
  }

  body(data: Json): void {
    this.#text = String(data.words);
    this.#end = "stop";
  }

  answer(): Answer {
    return {
      choices: [{
        index: 0,
        message: { role: "assistant", content: this.#text },
        finishReason: this.#end,
      }],
      usage: null,
      id: "",
      model: "",
      created: null,
      error: this.#error,
      malformed: 0,
      complete: this.#error === undefined && this.#end !== null,
    };
  }
}

const toy: Dialect = {
  name: "toy",
  path: "/v1/toys",
  choiceFields: [],
  answerLengthFields: [],
  promptFields: [],
  choicesOf: () => 1,
  asked: (body) => ({
    messages: [{ role: "user", content: body.ask }],
    tools: [],
    prefilled: false,
    echoed: false,
  }),
  assembler: () => new ToyAssembler(),
  texts: (data) => textAt(partOf(0, "content"), data.word, ["word"]),
  holdsAnswer: ({ words }) => typeof words === "string",
  usageIn: () => null,
  errorEvent: (_, words) => namedEvents([{ type: "sorry", words }]),
  errorBody: (_, words) => new TextEncoder().encode(JSON.stringify({ sorry: words })),
  endEvents: ({ reason }) => namedEvents([{ type: "end", why: reason }]),
  doneEvent: null,
  resumeWays: ["replay"],
  keepsAnswers: false,
};

const words: StreamEvent[] = ["a ", "bad ", "word"].map((word) => ({
  data: { type: "word", word },
}));

function storeOf(events: readonly StreamEvent[]): EventStore {
  const store = new EventStore(1 << 16);
  for (const { data } of events) {
    const bytes = namedEvents([data]);
    store.push(bytes, 0, bytes.length);
  }
  return store;
}

Deno.test("an answer of a new API is assembled by the code for all of them", () => {
  const end = [...eventsIn([toy.endEvents({ reason: "stop", choice: 0, usage: null }, words)])];
  const answer = assemble(toy.assembler(), storeOf([...words, ...end]));
  assert.deepEqual([answer.choices[0].message.content, answer.complete], ["a bad word", true]);
  const whole = assemble(toy.assembler(), new TextEncoder().encode('{"words":"a bad word"}'));
  assert.equal(whole.choices[0].message.content, "a bad word");
  assert.equal(assemble(toy.assembler(), storeOf(words)).complete, false);
});

Deno.test("its texts are changed, and its errors read, by the code for all of them", () => {
  const changed = words.map(({ data }) => {
    const [place] = toy.texts(data);
    const text = place.text.replace("bad", "***");
    return { data: JSON.parse(withTexts(JSON.stringify(data), [{ place, text }])) };
  });
  const failed = [...eventsIn([toy.errorEvent(502, "gone")])];
  const answer = assemble(toy.assembler(), storeOf([...changed, ...failed]));
  assert.equal(answer.choices[0].message.content, "a *** word");
  assert.deepEqual([answer.error, answer.complete], ["gone", false]);
});

const ROOT = new URL("../../", import.meta.url);

Deno.test("no file but the table names the APIs' files", async () => {
  const names = ["chat", "completions", "responses", "messages"];
  const importers: string[] = [];
  const visit = async (folder: URL) => {
    for await (const entry of Deno.readDir(folder)) {
      const url = new URL(entry.name + (entry.isDirectory ? "/" : ""), folder);
      if (entry.isDirectory) await visit(url);
      else if (entry.name.endsWith(".ts")) {
        const text = await Deno.readTextFile(url);
        const found = names.some((name) =>
          new RegExp(`from "(\\.\\./)*(\\./|api/)${name}\\.ts"`).test(text) &&
          (text.includes(`/api/${name}.ts"`) || url.pathname.match(/lib\/api\/[^/]+$/))
        );
        if (found) importers.push(url.pathname.slice(ROOT.pathname.length));
      }
    }
  };
  await visit(new URL("lib/", ROOT));
  assert.deepEqual(importers, ["lib/api/dialects.ts"]);
});
