// The key that a request brings, and the request as it goes on without it.

import type { BodyHold, ClientRequest } from "../http/client.ts";
import { Departure } from "../http/departure.ts";
import { isCredentialField, isCredentialPair } from "../http/credential_names.ts";
import type { HeaderList } from "../http/message.ts";
import { Refusal } from "./refusal.ts";

/**
 * The one key in `authorization: Bearer …` or `x-api-key`, which may both stand there where they are the same.
 * null where there is none. Throws Refusal.
 */
export function keyIn(
  { headers, target }: Pick<ClientRequest, "headers" | "target">,
): string | null {
  if (target.includes("?") && queryParts(target).some((pair) => isCredentialPair(pair))) {
    throw refused(
      "A key belongs into `Authorization: Bearer` or `x-api-key`, not into the address.",
    );
  }
  let key: string | null = null;
  for (let at = 0; at < headers.length; at++) {
    const field = headers[at];
    const name = field[0];
    if (name !== "authorization" && name !== "x-api-key") continue;
    const given = name === "x-api-key" ? alone(field[1]) : bearer(field[1]);
    if (given === "") continue;
    if (given === null) {
      throw refused("Authorization must be `Bearer` and a key.");
    }
    if (key !== null && key !== given) throw refused("The request brings two different keys.");
    key = given;
  }
  return key;
}

/** Deno.serve joins fields of one name by commas, which no key has in it; the same twice is the same. */
function alone(value: string): string {
  if (!value.includes(",")) return value.trim();
  const values = new Set(value.split(",").map((one) => one.trim()));
  return values.size === 1 ? [...values][0] : value.trim();
}

/** What all clients write. */
const USUAL = "Bearer ";
const UNUSUAL = /[\s,]/;

/** The scheme in any case, blanks in any number; null for another scheme, "" where nothing follows. */
function bearer(value: string): string | null {
  if (value.startsWith(USUAL)) {
    const key = value.slice(USUAL.length);
    if (!UNUSUAL.test(key)) return key;
  }
  const found = /^bearer(?:[ \t]+(\S*))?[ \t]*$/i.exec(alone(value).trim());
  return found === null ? null : found[1] ?? "";
}

function refused(message: string): Refusal {
  return new Refusal({ status: 401, reason: "invalid_api_key", message });
}

/** The same request without a word of who brings it: keys end at the gateway. */
export class StruckRequest extends Departure implements ClientRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;

  constructor(private readonly client: ClientRequest) {
    super();
    this.method = client.method;
    this.target = client.target;
    this.headers = client.headers.filter(([name]) => !isCredentialField(name));
    client.onGone(() => this.leave());
  }

  get remoteAddress(): string {
    return this.client.remoteAddress;
  }

  readBody(limitBytes: number, hold: BodyHold): Promise<Uint8Array> {
    return this.client.readBody(limitBytes, hold);
  }
}

function queryParts(target: string): string[] {
  const at = target.indexOf("?");
  return at < 0 ? [] : target.slice(at + 1).split("&");
}
