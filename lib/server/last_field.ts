// A field that the gateway adds to a client's JSON object, as its last.

import { Span } from "../forward/target.ts";

const CLOSE = 125;
const OPEN = 123;
const encoder = new TextEncoder();

/**
 * The body of a JSON object with this field, whatever it says of one: of two fields of a name the last counts
 * for every server. What stands before it stays where it is. `span` is where its value stands then.
 */
export function withLastField(
  body: Uint8Array,
  name: string,
  value: string,
): { body: Uint8Array; span: Span } {
  const close = body.lastIndexOf(CLOSE);
  let before = close - 1;
  while (before >= 0 && body[before] <= 32) before--;
  const comma = body[before] === OPEN ? "" : ",";
  const begin = encoder.encode(`${comma}${JSON.stringify(name)}:`);
  const said = encoder.encode(JSON.stringify(value));
  const start = close + begin.length;
  const end = start + said.length;
  const longer = new Uint8Array(body.length + begin.length + said.length);
  longer.set(body.subarray(0, close));
  longer.set(begin, close);
  longer.set(said, start);
  longer.set(body.subarray(close), end);
  return { body: longer, span: new Span(start, end) };
}
