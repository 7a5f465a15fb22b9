// vLLM's `cache_salt`, by which the prompts of one group share no cache with those of others.

const CLOSE = 125;
const OPEN = 123;
const encoder = new TextEncoder();

/**
 * The body of a JSON object with this salt, whatever it says of one: of two fields of a name the last counts
 * for every server. What stands before it stays where it is.
 */
export function withSalt(body: Uint8Array, salt: string): Uint8Array {
  const end = body.lastIndexOf(CLOSE);
  if (end < 0) return body;
  let before = end - 1;
  while (before >= 0 && body[before] <= 32) before--;
  const comma = body[before] === OPEN ? "" : ",";
  const field = encoder.encode(`${comma}"cache_salt":${JSON.stringify(salt)}`);
  const salted = new Uint8Array(body.length + field.length);
  salted.set(body.subarray(0, end));
  salted.set(field, end);
  salted.set(body.subarray(end), end + field.length);
  return salted;
}
