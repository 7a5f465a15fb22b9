// Tool calls from their fragments, with the habits of the servers that send them.

import type { ToolCall } from "./answer.ts";
import { isObject, type Json, textOf } from "../../json/json.ts";
import { mergeField } from "./fields.ts";

interface OpenCall {
  id: string;
  type: string;
  name: string;
  arguments: string[];
  rest: Json;
}

const KNOWN = new Set(["index", "id", "type", "function"]);

export class ToolCalls {
  /** In the order in which they began. */
  readonly #calls: OpenCall[] = [];
  /** By the index that the server gave; the last call that bears it. */
  readonly #byIndex = new Map<number, OpenCall>();

  /**
   * Takes one element of `tool_calls`, a delta or a whole call. Fragments belong together by `index`;
   * servers that give none are understood by the id or the name that opens a call.
   */
  add(delta: Json): void {
    const fn = isObject(delta.function) ? delta.function : {};
    const id = textOf(delta.id);
    const name = textOf(fn.name);
    const given = fn.arguments !== undefined && fn.arguments !== null && fn.arguments !== "";
    const call = this.#find(delta.index, id, name, given);
    // Old parsers repeat `id`, as "" or in full; some repeat the name in every fragment.
    call.id ||= id;
    call.type ||= textOf(delta.type);
    if (name !== call.name) call.name += name;
    if (typeof fn.arguments === "string") call.arguments.push(fn.arguments);
    else if (isObject(fn.arguments)) call.arguments.push(JSON.stringify(fn.arguments));
    for (const [field, value] of Object.entries(delta)) {
      if (!KNOWN.has(field)) mergeField(call.rest, field, value);
    }
  }

  list(): ToolCall[] {
    return this.#calls.map(({ id, type, name, arguments: given, rest }) => ({
      ...rest,
      id,
      type: type || "function",
      function: { name, arguments: given.join("") },
    }));
  }

  /** The call that a fragment belongs to; `says` when it brings arguments. */
  #find(given: unknown, id: string, name: string, says: boolean): OpenCall {
    const index = typeof given === "number" ? given : null;
    const known = index === null ? this.#calls.at(-1) : this.#byIndex.get(index);
    // Servers that count every call as 0 open the next one with another id and a name.
    const opens = id !== "" ? known?.id !== "" && known?.id !== id && name !== "" : false;
    const opensUnnumbered = index === null && id === "" && name !== "" && known?.name !== "";
    const isNext = known !== undefined && name !== "" && !(id !== "" && id === known.id) &&
      followsWhole(known, name, says);
    if (known !== undefined && !opens && !opensUnnumbered && !isNext) return known;
    const call: OpenCall = { id: "", type: "", name: "", arguments: [], rest: {} };
    this.#calls.push(call);
    if (index !== null) this.#byIndex.set(index, call);
    return call;
  }
}

/**
 * Servers that give whole calls may count each as 0 and give no ids: behind arguments that have begun
 * another name is another call, and the same name is one when those arguments were whole.
 */
function followsWhole(known: OpenCall, name: string, says: boolean): boolean {
  if (known.name === "" || known.arguments.every((piece) => piece === "")) return false;
  return name !== known.name || (says && isWholeJson(known.arguments));
}

function isWholeJson(pieces: readonly string[]): boolean {
  // Some repeat the name in every fragment: only what may be an end is worth parsing.
  if (!/[}\]]\s*$/.test(pieces.at(-1)!.slice(-16))) return false;
  try {
    JSON.parse(pieces.join(""));
    return true;
  } catch {
    // Not whole yet.
    return false;
  }
}
