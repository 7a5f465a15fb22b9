// What a key looks like: `sk-sag-`, eight characters by which people tell keys apart, 256 random bits, and
// four check characters, which tell a mistyped key from an unknown one and let scanners find it in texts.
// It is kept as its SHA-256 only: 256 bits cannot be guessed, so a slow hash would protect nothing.

import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";

const PREFIX = "sk-sag-";
/** One that is cut short is one still to whoever guesses the rest. */
const IN_TEXT = /sk-sag-[\w-]{16,}/g;
const FORM = /^sk-sag-([a-z0-9]{8})-([A-Za-z0-9_-]{43})([a-z0-9]{4})$/;
const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
/** Of an own key fewer characters can be guessed. */
export const LEAST_CHARS = 24;

/** A new key. It is shown once and kept nowhere. */
export function newKey(random: (bytes: number) => Uint8Array = randomBytes): string {
  const id = [...random(8)].map((byte) => LETTERS[byte % LETTERS.length]).join("");
  const body = `sk-sag-${id}-${Buffer.from(random(32)).toString("base64url")}`;
  return body + checkOf(body);
}

/** SHA-256 of a key, 64 hexadecimal digits. */
export function hashOfKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

/** own: one of another form. mistyped: one that this program never made. */
export function formOf(key: string): "made" | "own" | "mistyped" {
  if (!key.startsWith(PREFIX)) return "own";
  const check = FORM.exec(key)?.[3];
  return check !== undefined && checkOf(key.slice(0, -4)) === check ? "made" : "mistyped";
}

/** A key as it may be shown: by its first few characters. */
export function struck(key: string): string {
  const id = FORM.exec(key)?.[1];
  return id === undefined
    ? `${key.slice(0, Math.min(4, key.length >> 2))}****`
    : `sk-sag-${id.slice(0, 4)}****`;
}

/** `text` with keys of this program's form as they may be shown: people write them where none belongs. */
export function withoutKeys(text: string): string {
  return text.includes(PREFIX) ? text.replace(IN_TEXT, struck) : text;
}

/** Four characters that all others decide. */
function checkOf(body: string): string {
  const digest = createHash("sha256").update(`check ${body}`).digest();
  return [...digest.subarray(0, 4)].map((byte) => LETTERS[byte % LETTERS.length]).join("");
}
