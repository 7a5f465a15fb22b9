// Keeps the gateway's own key for an instance out of whatever the instance says: it is quoted to clients,
// in logs and in alerts. A server may quote it as it is, or escaped as its format has it: as JSON, in a
// URL, in HTML, in base64, in capitals.

import { latin1Text, putLatin1 } from "../http/latin1.ts";
import type { HeaderList } from "../http/message.ts";

const STRUCK = "***";
/** A shorter key ("empty", "none") is a word like any other. */
const LEAST_CHARS = 8;
/** An error that is longer is searched for the key as it is written alone. */
const MAX_SEARCHED_BYTES = 1024 * 1024;
const encoder = new TextEncoder();

export class Secret {
  readonly #key: string | null;
  /** Made when an instance says something that is no answer, which is seldom. */
  #pattern: RegExp | null = null;

  constructor(key: string | null) {
    this.#key = key === null || key.length < LEAST_CHARS ? null : key;
  }

  text(text: string): string {
    if (this.#key === null) return text;
    this.#pattern ??= patternOf(this.#key);
    return text.replace(this.#pattern, STRUCK);
  }

  /** Of an error: the same bytes where the key is not in them. */
  bytes(bytes: Uint8Array): Uint8Array {
    if (this.#key === null || bytes.length > MAX_SEARCHED_BYTES) return this.plainly(bytes);
    const text = latin1Text(bytes, 0, bytes.length);
    return struck(bytes, text, this.text(text));
  }

  /** Of an answer, which is long and hardly a place for the key: as it is written alone is struck. */
  plainly(bytes: Uint8Array): Uint8Array {
    if (this.#key === null) return bytes;
    const text = latin1Text(bytes, 0, bytes.length);
    return text.includes(this.#key)
      ? struck(bytes, text, text.replaceAll(this.#key, STRUCK))
      : bytes;
  }

  headers(fields: HeaderList): HeaderList {
    if (this.#key === null) return fields;
    return fields.map((field) => {
      const struck = this.text(field[1]);
      return struck === field[1] ? field : [field[0], struck] as const;
    });
  }
}

/** `text` is that of `bytes`; the same bytes where nothing was struck out of it. */
function struck(bytes: Uint8Array, text: string, rest: string): Uint8Array {
  if (rest === text) return bytes;
  const result = new Uint8Array(rest.length);
  putLatin1(result, 0, rest);
  return result;
}

/** All the forms in one, over text of one character for each byte. */
function patternOf(key: string): RegExp {
  const bytes = encoder.encode(key);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const forms = [charByChar(key), hex, ...base64Of(bytes)];
  return new RegExp(forms.join("|"), "gi");
}

/** Each character, ASCII as keys are, as itself or as an escape; NULs stand between those of UTF-16. */
function charByChar(key: string): string {
  return Array.from(key, (char) => {
    const code = char.charCodeAt(0);
    const hex = code.toString(16).padStart(2, "0");
    const plain = /\w/.test(char) ? char : `\\\\?\\x${hex}`;
    return `(?:${plain}|\\\\u00${hex}|%${hex}|&#0*${code};|&#x0*${hex};)`;
  }).join("\\0?");
}

/** The characters that stand for the key alone, wherever in the coded text it begins. */
function base64Of(bytes: Uint8Array): string[] {
  return [0, 1, 2].map((before) => {
    const shifted = new Uint8Array(before + bytes.length);
    shifted.set(bytes, before);
    const coded = btoa(String.fromCharCode(...shifted)).replace(/=+$/, "");
    const whole = Math.floor(shifted.length * 8 / 6);
    const own = coded.slice(Math.ceil(before * 8 / 6), whole);
    return own.replace(/[+/]/g, (sign) => sign === "+" ? "[+-]" : "[/_]");
  });
}
