// Mends a second stream onto the first, event by event: what the client has already is left out, names
// and times are the first's, usage is that of the whole. One object for each resumed stream.

import type { Api } from "../../api/api.ts";
import { type Answer, isObject, type Json, objectsIn, textOf } from "../../sse/assemble/answer.ts";
import { parseEvents } from "../../sse/parse.ts";
import type { Stage } from "../stage.ts";
import { Expected } from "./expected.ts";
import type { Mended, Mender } from "./mender.ts";
import { MessagesReplay } from "./replay_messages.ts";
import type { ResumeWay, Sent } from "./plan.ts";

const encoder = new TextEncoder();

/** Lets pass what a second stream adds to the first. */
export class MendStage implements Stage {
  readonly #mender: Mender;

  constructor(way: ResumeWay, api: Api, sent: Sent) {
    this.#mender = menderFor(way, api, sent);
  }

  get caughtUp(): boolean {
    return this.#mender.caughtUp;
  }

  take(events: Uint8Array): Uint8Array | null {
    let mended = "";
    for (const { data, event } of parseEvents(events)) {
      const text = this.#event(data, event);
      if (text === "disagrees") return null;
      mended += text ?? "";
    }
    return encoder.encode(mended);
  }

  /** An event that is no JSON is the proof that something is wrong. */
  #event(data: string, name: string | undefined): Mended {
    try {
      return this.#mender.event(data, name);
    } catch (error) {
      if (error instanceof SyntaxError) return "disagrees";
      throw error;
    }
  }
}

function menderFor(way: ResumeWay, api: Api, sent: Sent): Mender {
  if (way === "continue") return new Continuation(sent);
  return api === "messages" ? new MessagesReplay(sent.events()) : new ChunkReplay(sent.answer);
}

/** The first stream's name and time on a chunk of the second. */
function adopt(chunk: Json, first: Answer): Json {
  const adopted: Json = { ...chunk, id: first.id };
  if (first.created !== null) adopted.created = first.created;
  if (first.model !== "") adopted.model = first.model;
  delete adopted.prompt_token_ids;
  return adopted;
}

function line(value: Json): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** The second stream holds only new text. */
class Continuation implements Mender {
  readonly caughtUp = true;
  constructor(private readonly sent: Sent) {}

  event(data: string): Mended {
    if (data === "[DONE]") return "data: [DONE]\n\n";
    const chunk = adopt(JSON.parse(data), this.sent.answer);
    const choices = objectsIn(chunk.choices).map(withoutRole);
    if (isObject(chunk.usage)) chunk.usage = movedUsage(chunk.usage, this.sent.tokens);
    const says = choices.some((choice) =>
      choice.finish_reason !== null && choice.finish_reason !== undefined ||
      textOf(choice.text) !== "" ||
      (isObject(choice.delta) && Object.values(choice.delta).some(isSaid))
    );
    if (!says && choices.length > 0) return null;
    return line({ ...chunk, choices });
  }
}

/** `tokens` of the second prompt were the first part of the answer. */
function movedUsage(usage: Json, tokens: number): Json {
  return {
    ...usage,
    // Text that is tokenised anew may have fewer tokens than it was made of.
    prompt_tokens: Math.max(0, Number(usage.prompt_tokens ?? 0) - tokens),
    completion_tokens: Number(usage.completion_tokens ?? 0) + tokens,
  };
}

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" &&
    !(Array.isArray(value) && value.length === 0);
}

/** A second role would begin a second message. */
function withoutRole(choice: Json): Json {
  if (!isObject(choice.delta) || !("role" in choice.delta)) return choice;
  const { role: _, ...delta } = choice.delta;
  return { ...choice, delta };
}

/** A second run of a chat or text completion. */
class ChunkReplay implements Mender {
  readonly #content: Expected;
  readonly #reasoning: Expected;
  readonly #calls: { name: Expected; arguments: Expected }[];

  constructor(private readonly first: Answer) {
    const message = first.choices[0]?.message;
    this.#content = new Expected(message?.content ?? "");
    this.#reasoning = new Expected(message?.reasoning ?? "");
    this.#calls = (message?.tool_calls ?? []).map((call) => ({
      name: new Expected(call.function.name),
      arguments: new Expected(call.function.arguments),
    }));
  }

  get caughtUp(): boolean {
    return this.#content.left + this.#reasoning.left === 0 && this.#callsLeft === 0;
  }

  get #callsLeft(): number {
    return this.#calls.reduce((sum, call) => sum + call.name.left + call.arguments.left, 0);
  }

  event(data: string): Mended {
    if (data === "[DONE]") return this.caughtUp ? "data: [DONE]\n\n" : "disagrees";
    const chunk = adopt(JSON.parse(data), this.first);
    const choices = objectsIn(chunk.choices);
    if (choices.length === 0) return this.caughtUp ? line(chunk) : null;
    const [choice] = choices;
    const behind = !this.caughtUp;
    const mended: Json = { ...choice };
    let says = false;
    if (typeof choice.text === "string") {
      const fresh = this.#content.meet(choice.text);
      if (fresh === null) return "disagrees";
      mended.text = fresh;
      says = fresh !== "";
    }
    if (isObject(choice.delta)) {
      const delta = this.#delta(choice.delta);
      if (delta === null) return "disagrees";
      mended.delta = delta;
      says = Object.values(delta).some(isSaid);
    }
    const ends = choice.finish_reason !== null && choice.finish_reason !== undefined;
    if (ends && !this.caughtUp) return "disagrees";
    if (!says && !ends) return null;
    // Token ids and probabilities of a chunk of which a part was sent cannot be taken apart.
    if (behind && isSaid(choice.logprobs) && choice.logprobs !== undefined) return "disagrees";
    if (behind) delete mended.token_ids;
    return line({ ...chunk, choices: [mended] });
  }

  /** The new part of a delta; null when it contradicts what was sent. */
  #delta(delta: Json): Json | null {
    const fresh: Json = {};
    for (const [field, value] of Object.entries(delta)) {
      if (field === "role") continue;
      if (field === "reasoning" || field === "reasoning_content") {
        const text = this.#reasoning.meet(textOf(value));
        if (text === null) return null;
        if (text !== "") fresh[field] = text;
      } else if (field === "content") {
        if (textOf(value) !== "" && this.#reasoning.left > 0) return null;
        const text = this.#content.meet(textOf(value));
        if (text === null) return null;
        if (text !== "") fresh.content = text;
      } else if (field === "tool_calls") {
        const calls = this.#toolCalls(objectsIn(value));
        if (calls === null) return null;
        if (calls.length > 0) fresh.tool_calls = calls;
      } else if (this.caughtUp) fresh[field] = value;
    }
    return fresh;
  }

  #toolCalls(calls: Json[]): Json[] | null {
    const fresh: Json[] = [];
    for (const call of calls) {
      const known = this.#calls[Number(call.index ?? 0)];
      if (known === undefined) {
        if (!this.caughtUp) return null;
        fresh.push(call);
        continue;
      }
      const said = isObject(call.function) ? call.function : {};
      const name = known.name.meet(textOf(said.name));
      const args = known.arguments.meet(textOf(said.arguments));
      if (name === null || args === null || name !== "") return null;
      if (args !== "") fresh.push({ index: call.index, function: { arguments: args } });
    }
    return fresh;
  }
}
