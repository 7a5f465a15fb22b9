// The body of a request as policies on prompts see and change it: parsed where they look, spliced where
// they change. What is said about the request (model, stream, lengths) is read anew from the result.

import type { Api } from "../../api/dialects.ts";
import { RequestError } from "../../http/client.ts";
import { isObject, type Json } from "../../json/json.ts";
import { hasTooManyValues, MAX_VALUES } from "../../json/values.ts";
import {
  type JsonPath,
  type ListChange,
  repeatedKey,
  withElements,
  withMembers,
  withValues,
} from "./json_splice.ts";

const decoder = new TextDecoder();

export class PromptBody {
  #json: Json | null = null;
  #bytes: Uint8Array;

  /** `given` is an object in JSON, of a POST to `api`. */
  constructor(readonly api: Api, private readonly given: Uint8Array) {
    this.#bytes = given;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get isChanged(): boolean {
    return this.#bytes !== this.given;
  }

  /**
   * What stands in it. Throws RequestError: what only some readers take for JSON, or a field that comes
   * twice, might be read otherwise by the instance than by the policies; and what would take gigabytes.
   */
  get json(): Json {
    if (this.#json !== null) return this.#json;
    if (hasTooManyValues(this.#bytes)) {
      throw new RequestError(
        413,
        `The request body has more than ${MAX_VALUES} values, which policies do not look into`,
      );
    }
    const twice = repeatedKey(this.#bytes);
    if (twice !== null) {
      throw new RequestError(400, `The request body has \`${twice}\` more than once`, twice);
    }
    let json: unknown;
    try {
      json = JSON.parse(decoder.decode(this.#bytes));
    } catch {
      throw new RequestError(400, "The request body is not valid JSON");
    }
    if (!isObject(json)) throw new RequestError(400, "The request body is no JSON object");
    return this.#json = json;
  }

  /** Sets members of the object at `path`, of the whole body by default; undefined takes one out. */
  set(changes: Readonly<Record<string, unknown>>, path: JsonPath = []): void {
    const written = Object.entries(changes).map(([key, value]): [string, string | null] => [
      key,
      value === undefined ? null : JSON.stringify(value),
    ]);
    if (written.length > 0) this.#replace(withMembers(this.#bytes, path, new Map(written)));
  }

  /** Puts other values in the places of some. */
  put(changes: readonly { readonly path: JsonPath; readonly value: unknown }[]): void {
    if (changes.length === 0) return;
    const written = changes.map(({ path, value }) => ({ path, json: JSON.stringify(value) }));
    this.#replace(withValues(this.#bytes, written));
  }

  /** Takes elements out of the array at `path`, and puts others in. */
  relist(path: JsonPath, change: ListChange): void {
    this.#replace(withElements(this.#bytes, path, change));
  }

  #replace(bytes: Uint8Array): void {
    if (bytes === this.#bytes) return;
    this.#bytes = bytes;
    this.#json = null;
  }
}
