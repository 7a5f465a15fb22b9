// A second stream that was asked for the rest of a text. Not every server gives that: one thinks first, one
// begins anew, and none knows a stop string of which the client has the first half. The first words are
// held until it is sure what they are.

import type { Api } from "../../api/api.ts";
import { tellsUsageWithEach, wantsUsage } from "../../api/stream_options.ts";
import { eventsIn } from "../../api/wire.ts";
import { isObject, type Json, objectsIn, textOf } from "../../json/json.ts";
import { isReason } from "../../sse/meaning.ts";
import { adopt, isSaid, line, withoutRole } from "./adopt.ts";
import type { Mended, Mender } from "./mender.ts";
import { FEW_CHARS, type Sent } from "./plan.ts";
import { USUAL_MARKS } from "./raw_text.ts";
import { ChunkReplay } from "./replay_chunks.ts";
import { type StopAt, stopsOf, StopStrings } from "./stop_strings.ts";

/** So many characters of the beginning once more are no chance. */
const SURE_CHARS = 64;

/** What the first words of a second stream are. */
type Kind = "unsure" | "rest" | "anew" | "other";

export class Continuation implements Mender {
  readonly #begin: string;
  readonly #stops: StopStrings;
  /** Events that are held, as they came, and their text. */
  #held: string[] = [];
  #text = "";
  #kind: Kind = "unsure";
  /** Set where the server has begun anew. */
  #replay: ChunkReplay | null = null;
  /** Where a stop string across the seam has ended the answer, counted from the seam. */
  #stopped: StopAt | null = null;
  /** Whether the client wants an event with the figures. */
  readonly #tellsUsage: boolean;

  constructor(private readonly api: Api, request: Json, private readonly sent: Sent) {
    this.#begin = sent.answer.choices[0]?.message.content ?? "";
    const includes = request.include_stop_str_in_output === true;
    this.#stops = new StopStrings(stopsOf(request.stop), this.#begin, includes);
    this.#tellsUsage = wantsUsage(request.stream_options) ||
      tellsUsageWithEach(eventsIn(sent.events()));
  }

  get caughtUp(): boolean {
    return this.#replay?.caughtUp ?? true;
  }

  /** The instance has not seen the stop string, and goes on. */
  get isOver(): boolean {
    return this.#kind === "rest" && this.#stopped !== null;
  }

  event(data: string): Mended {
    if (this.isOver) return null;
    if (this.#replay !== null) return this.#replay.event(data);
    if (this.#kind === "rest") return this.#rest(data);
    this.#held.push(data);
    this.#kind = this.#judge(data);
    switch (this.#kind) {
      case "unsure":
        return null;
      case "other":
        return "disagrees";
      case "rest":
        return this.#stopped === null
          ? this.#released((held) => this.#rest(held))
          : this.#end(this.#stopped);
      case "anew":
        this.#replay = new ChunkReplay(this.sent);
        return this.#released((held) => this.#replay!.event(held));
    }
  }

  /** What was held, as what it turned out to be. */
  #released(mend: (data: string) => Mended): Mended {
    let mended = "";
    for (const data of this.#held.splice(0)) {
      const text = mend(data);
      if (text === "disagrees") return text;
      mended += text ?? "";
    }
    return mended;
  }

  /** The last words before the stop string, and the end with the figures, as far as they are known. */
  #end({ length, stop }: StopAt): Mended {
    const last: Json = JSON.parse(this.#held.at(-1)!);
    const given = tokensIn(this.#held);
    this.#held = [];
    const text = this.#text.slice(0, Math.max(0, length));
    const said = this.api === "chat" ? { delta: text === "" ? {} : { content: text } } : { text };
    const choice = { ...objectsIn(last.choices)[0], ...said, logprobs: null };
    const ended = { ...choice, finish_reason: "stop", stop_reason: stop };
    const chunk = adopt(last, this.sent.answer);
    const told = isObject(last.usage) ? last.usage : {};
    const usage = this.#movedUsage({ ...told, completion_tokens: given });
    if (isObject(last.usage)) chunk.usage = usage;
    const finish = line({ ...chunk, choices: [ended] });
    const isKnown = this.#promptTokens !== null || isObject(last.usage);
    const figures = this.#tellsUsage && isKnown ? line({ ...chunk, choices: [], usage }) : "";
    return finish + figures + "data: [DONE]\n\n";
  }

  #judge(data: string): Kind {
    if (data === "[DONE]") return "rest";
    let ends = false;
    for (const choice of objectsIn(JSON.parse(data).choices)) {
      const delta = isObject(choice.delta) ? choice.delta : {};
      if (isSaid(delta.reasoning) || isSaid(delta.reasoning_content)) return "other";
      // A call: no text comes before it that could be something else.
      ends ||= isEnd(choice) || isSaid(delta.tool_calls);
      const text = textOf(choice.text) + textOf(delta.content);
      this.#text += text;
      this.#stopped = this.#stops.take(text);
    }
    const kind = this.#kindOf(this.#text);
    if (kind !== "unsure" || (!ends && this.#stopped === null)) return kind;
    // A second answer may be shorter than what the client has of the first.
    const isAnew = this.#text.length >= FEW_CHARS && this.#begin.startsWith(this.#text);
    return isAnew ? "other" : "rest";
  }

  #kindOf(text: string): Kind {
    if (this.api === "chat") {
      const first = text.trimStart();
      for (const [open] of USUAL_MARKS) {
        if (first.startsWith(open)) return "other";
        if (open.startsWith(first)) return "unsure";
      }
    }
    const length = Math.min(SURE_CHARS, this.#begin.length);
    const begin = this.#begin.slice(0, length);
    if (length >= FEW_CHARS && text.length < length && begin.startsWith(text)) return "unsure";
    if (length >= FEW_CHARS && text.startsWith(begin)) {
      // A text that repeats itself may go on like its own beginning: only a whole second run can tell.
      return this.#begin.indexOf(begin, 1) > 0 ? "other" : "anew";
    }
    return this.#stops.isPast ? "rest" : "unsure";
  }

  /** An event of the rest of the text. */
  #rest(data: string): Mended {
    if (data === "[DONE]") return "data: [DONE]\n\n";
    const chunk = adopt(JSON.parse(data), this.sent.answer);
    const choices = objectsIn(chunk.choices).map(withoutRole);
    if (isObject(chunk.usage)) chunk.usage = this.#movedUsage(chunk.usage);
    if (choices.length === 0) return line(chunk);
    if (choices.some(isReasoning)) return "disagrees";
    const says = choices.some((choice) =>
      isEnd(choice) || isSaid(choice.text) || isSaid(choice.token_ids) ||
      (isObject(choice.delta) && Object.values(choice.delta).some(isSaid))
    );
    if (!says) return null;
    return line({ ...chunk, choices });
  }

  /** Tokens of the client's prompt, where somebody has told them; null where nobody has. */
  get #promptTokens(): number | null {
    const { ids, answer } = this.sent;
    if (ids !== null && ids.areKnown) return ids.promptLength;
    const told = isObject(answer.usage) ? answer.usage.prompt_tokens : undefined;
    return typeof told === "number" ? told : null;
  }

  /** The given part of the answer was a part of the second prompt. */
  #movedUsage(usage: Json): Json {
    const { tokens } = this.sent;
    // Text that is tokenised anew may have fewer tokens than it was made of.
    const prompt = this.#promptTokens ?? Math.max(0, Number(usage.prompt_tokens ?? 0) - tokens);
    const completion = tokens + Number(usage.completion_tokens ?? 0);
    return {
      ...usage,
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
    };
  }
}

function isEnd({ finish_reason }: Json): boolean {
  return typeof finish_reason === "string" && isReason(finish_reason);
}

function isReasoning({ delta }: Json): boolean {
  return isObject(delta) && (isSaid(delta.reasoning) || isSaid(delta.reasoning_content));
}

/**
 * Tokens of the events of a stretch: as their ids or the figures with each tell, as far as they do; else each
 * that does not only open the message is one.
 */
function tokensIn(events: readonly string[]): number {
  let count = 0;
  for (const data of events) {
    const { choices, usage }: Json = JSON.parse(data);
    const told = isObject(usage) ? usage.completion_tokens : undefined;
    const [choice] = objectsIn(choices);
    const ids = Array.isArray(choice?.token_ids) ? choice.token_ids.length : undefined;
    if (typeof told === "number") count = told;
    else count += ids ?? (opensOnly(data) ? 0 : 1);
  }
  return count;
}

/** Whether an event opens the message and carries no token. */
function opensOnly(data: string): boolean {
  return objectsIn(JSON.parse(data).choices).every(({ delta }) =>
    isObject(delta) && "role" in delta && textOf(delta.content) === ""
  );
}
