// Merges fields that this program does not know: whatever an instance streams, now or in a later
// version, ends up whole in the message.

import { isObject, type Json } from "../../json/json.ts";

/**
 * Joins `value` to the field `name` of `target`: text is appended, lists are continued, objects are
 * merged field by field, anything else is replaced. null adds nothing.
 */
export function mergeField(target: Json, name: string, value: unknown): void {
  const before = Object.hasOwn(target, name) ? target[name] : undefined;
  if (value === undefined || value === null) return;
  let joined = value;
  if (typeof before === "string" && typeof value === "string") {
    joined = before + value;
  } else if (Array.isArray(before) && Array.isArray(value)) {
    // Not in one call: a list may have more entries than the stack holds.
    for (const entry of value) before.push(entry);
    joined = before;
  } else if (isObject(before) && isObject(value)) {
    for (const [key, inner] of Object.entries(value)) mergeField(before, key, inner);
    joined = before;
  }
  // defineProperty: a field that is called __proto__ is a field like any other.
  Object.defineProperty(target, name, {
    value: joined,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
