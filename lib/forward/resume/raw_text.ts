// A model's raw text as the server's parsers would read it: what lies between the marks of thinking is
// reasoning, what lies between those of a tool call is a call, the rest is content. Pure. Used where an
// answer goes on from its tokens: the tokens' text is raw, and what the client has proves how it is read.

import { ValueEnd } from "./value_end.ts";

/** A piece of what the model says. */
export type Said =
  | { kind: "text"; channel: "content" | "reasoning"; text: string }
  /** A tool call opens. */
  | { kind: "call"; name: string }
  /** More of the arguments of the call that opened last. */
  | { kind: "arguments"; text: string };

/** How raw text is read. */
export interface RawForm {
  /** Marks of thinking; null where they are text like any other. */
  marks: readonly [open: string, close: string] | null;
  /** The prompt has opened the thought already. */
  startsThinking: boolean;
  /** Tool calls are `<tool_call>{"name": …, "arguments": …}</tool_call>` (Hermes, Qwen). */
  calls: boolean;
  /** Special tokens are not shown: `<|im_end|>`, and marks that this form does not read. */
  hidesSpecial: boolean;
  /** Line feeds that surround a thought are not shown. */
  trims: boolean;
}

/** The marks that models use. */
export const USUAL_MARKS: readonly (readonly [string, string])[] = [
  ["<think>", "</think>"],
  ["[THINK]", "[/THINK]"],
  ["<seed:think>", "</seed:think>"],
  ["<thought>", "</thought>"],
  ["◁think▷", "◁/think▷"],
];

const CALL_OPEN = "<tool_call>";
const CALL_CLOSE = "</tool_call>";
/** How calls of other families open; where one comes, its text is not content. */
const FOREIGN_CALLS = ["[TOOL_CALLS]", "<|python_tag|>", "<function=", "<|tool_call", "<｜tool"];
/** A pipe in program text, as in `f <| x |> g`, has blanks, which no special token has. */
const SPECIAL = /<\|[^|<>\s]{1,40}\|>/g;
/** The same, and the marks: where nobody reads them, they may be special tokens like others. */
const SPECIAL_OR_MARK = new RegExp(
  [SPECIAL.source, ...[...USUAL_MARKS.flat(), CALL_OPEN, CALL_CLOSE].map(escaped)].join("|"),
  "g",
);
const CALL_NAME =
  /^\s*\{\s*"name"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,\s*"(?:arguments|parameters)"\s*:\s*/;
const CALL_HEAD_CHARS = 4096;

type State = "thinking" | "content" | "call_head" | "arguments" | "call_end";

export class RawReader {
  #state: State;
  /** Whether the thought may still open: nothing but blanks has come. */
  #fresh = true;
  /** Text that may be the beginning of a mark. */
  #held = "";
  /** Blanks behind a call are no content. */
  #skipsBlanks = false;
  /** Where the arguments of the call that is open end. */
  #value = new ValueEnd();
  #trimsNext = false;

  constructor(private readonly form: RawForm) {
    this.#state = form.marks !== null && form.startsThinking ? "thinking" : "content";
    this.#trimsNext = form.trims;
  }

  /** Something was said that this reader cannot read; what it gives from here on means nothing. */
  isLost = false;

  /** Takes more raw text; gives what of it is sure. */
  take(text: string): Said[] {
    this.#held += text;
    const said: Said[] = [];
    while (this.#step(said, false));
    return said;
  }

  /** The text is over: what was held back is what it looks like. */
  end(): Said[] {
    const said: Said[] = [];
    while (this.#step(said, true));
    return said;
  }

  /** One step further; false when more text is needed. */
  #step(said: Said[], isEnd: boolean): boolean {
    if (this.#held === "") return false;
    switch (this.#state) {
      case "thinking":
        return this.#think(said, isEnd);
      case "content":
        return this.#speak(said, isEnd);
      case "call_head":
        return this.#openCall(said);
      case "arguments":
        return this.#argue(said);
      case "call_end":
        return this.#closeCall(isEnd);
    }
  }

  #think(said: Said[], isEnd: boolean): boolean {
    const [open, close] = this.form.marks!;
    if (this.#fresh) {
      const rest = this.#held.trimStart();
      if (!isEnd && rest.length < open.length && open.startsWith(rest)) return false;
      if (rest.startsWith(open)) this.#held = rest.slice(open.length);
      this.#fresh = false;
    }
    const at = this.#held.indexOf(close);
    if (at >= 0) {
      this.#text(said, "reasoning", this.#held.slice(0, at));
      this.#held = this.#held.slice(at + close.length);
      this.#state = "content";
      this.#trimsNext = this.form.trims;
      return true;
    }
    return this.#release(said, "reasoning", [close], isEnd);
  }

  #speak(said: Said[], isEnd: boolean): boolean {
    const { marks, calls } = this.form;
    if (this.#skipsBlanks) {
      this.#held = this.#held.trimStart();
      if (this.#held === "") return false;
      this.#skipsBlanks = false;
    }
    if (this.#fresh && marks !== null) {
      const rest = this.#held.trimStart();
      if (!isEnd && rest.length < marks[0].length && marks[0].startsWith(rest)) return false;
      if (rest.startsWith(marks[0])) {
        this.#held = rest.slice(marks[0].length);
        this.#state = "thinking";
        this.#trimsNext = this.form.trims;
      }
      this.#fresh = false;
      return this.#held !== "";
    }
    this.#fresh = false;
    if (!calls) return this.#release(said, "content", [], isEnd);
    if (FOREIGN_CALLS.some((mark) => this.#held.includes(mark))) this.isLost = true;
    const at = this.#held.indexOf(CALL_OPEN);
    if (at >= 0) {
      this.#text(said, "content", this.#held.slice(0, at));
      this.#held = this.#held.slice(at + CALL_OPEN.length);
      this.#state = "call_head";
      return true;
    }
    return this.#release(said, "content", [CALL_OPEN, ...FOREIGN_CALLS], isEnd);
  }

  /** Gives all that is held but the beginning of a mark. */
  #release(
    said: Said[],
    channel: "content" | "reasoning",
    marks: readonly string[],
    isEnd: boolean,
  ): boolean {
    const kept = isEnd ? 0 : heldBack(this.#held, marks, this.form.hidesSpecial);
    const sure = this.#held.length - kept;
    this.#text(said, channel, this.#held.slice(0, sure));
    this.#held = this.#held.slice(sure);
    return false;
  }

  #text(said: Said[], channel: "content" | "reasoning", text: string): void {
    const { marks, calls, hidesSpecial } = this.form;
    const hidden = marks === null && !calls ? SPECIAL_OR_MARK : SPECIAL;
    let shown = hidesSpecial ? text.replace(hidden, "") : text;
    if (this.#trimsNext) {
      shown = shown.replace(/^\n+/, "");
      if (shown !== "") this.#trimsNext = false;
    }
    if (shown !== "") said.push({ kind: "text", channel, text: shown });
  }

  #openCall(said: Said[]): boolean {
    const found = CALL_NAME.exec(this.#held);
    const name = found === null ? null : nameIn(found[1]);
    if (found === null || name === null) {
      if (
        found !== null || this.#held.length > CALL_HEAD_CHARS || this.#held.includes(CALL_CLOSE)
      ) {
        this.isLost = true;
      }
      return false;
    }
    this.#held = this.#held.slice(found[0].length);
    this.#state = "arguments";
    this.#value = new ValueEnd();
    said.push({ kind: "call", name });
    return true;
  }

  /** The arguments end where their JSON value does. */
  #argue(said: Said[]): boolean {
    const { from, to, isOver } = this.#value.take(this.#held);
    const text = this.#held.slice(from, to);
    if (text !== "") said.push({ kind: "arguments", text });
    this.#held = this.#held.slice(to);
    if (isOver) this.#state = "call_end";
    return isOver && this.#held !== "";
  }

  #closeCall(isEnd: boolean): boolean {
    const at = this.#held.indexOf(CALL_CLOSE);
    if (at < 0) {
      if (isEnd) this.#held = "";
      return false;
    }
    this.#held = this.#held.slice(at + CALL_CLOSE.length);
    this.#skipsBlanks = true;
    this.#state = "content";
    return true;
  }
}

/** Whether a text has a special token in it; a mark may be text like any other. */
export function showsSpecial(text: string): boolean {
  return text.search(SPECIAL) >= 0;
}

/** A text without its special tokens. */
export function withoutSpecial(text: string): string {
  return text.replace(SPECIAL, "");
}

function escaped(text: string): string {
  return text.replace(/[[\]|/]/g, "\\$&");
}

/** The name between the quotes of a JSON string; null where a model wrote what is none. */
function nameIn(quoted: string): string | null {
  try {
    return JSON.parse(`"${quoted}"`);
  } catch {
    // A bad escape, or a line feed within.
    return null;
  }
}

/** Length of the end of `text` that may be the beginning of a mark. */
function heldBack(text: string, marks: readonly string[], special: boolean): number {
  let held = 0;
  for (const mark of marks) {
    for (let length = Math.min(mark.length - 1, text.length); length > held; length--) {
      if (text.endsWith(mark.slice(0, length))) held = length;
    }
  }
  if (!special) return held;
  const open = text.lastIndexOf("<");
  const tail = open < 0 ? "" : text.slice(open);
  return /^<(\|[^|<>\s]{0,40}\|?)?$/.test(tail) ? Math.max(held, tail.length) : held;
}

/** Everything that raw text says, put together. */
export interface Whole {
  reasoning: string;
  content: string;
  calls: { name: string; arguments: string }[];
}

export function gathered(said: Iterable<Said>): Whole {
  const whole = emptyWhole();
  for (const one of said) {
    if (one.kind === "text") whole[one.channel] += one.text;
    else if (one.kind === "call") whole.calls.push({ name: one.name, arguments: "" });
    else whole.calls.at(-1)!.arguments += one.text;
  }
  return whole;
}

export function emptyWhole(): Whole {
  return { reasoning: "", content: "", calls: [] };
}
