// The running gateway that a command speaks to: its flags.

import { optional, withDefault } from "./command/flag.ts";
import { expected, type Kind, text } from "./command/kind.ts";

const GATEWAY: Kind<string> = {
  placeholder: "URL",
  read(given) {
    if (URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)) return given;
    throw expected("one such as http://127.0.0.1:9999", given);
  },
};

export const gatewayFlags = {
  url: withDefault(GATEWAY, "http://127.0.0.1:9999", "address of the gateway"),
  token: optional(
    text("TOKEN"),
    "admin.token of its configuration; ADMIN_TOKEN in the environment is taken where this is missing",
  ),
};

/** Where the gateway is and what opens it. */
export function gatewayOf(values: { url: string; token: string | undefined }) {
  return { url: values.url, token: values.token ?? Deno.env.get("ADMIN_TOKEN") };
}
