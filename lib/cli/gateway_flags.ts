// The running gateway that a command speaks to: its flags.

import { optional, withDefault } from "./command/flag.ts";
import { expected, type Kind, text } from "./command/kind.ts";

const GATEWAY: Kind<string> = {
  placeholder: "URL",
  read(given) {
    const url = /^\w+:\/\//.test(given) ? given : `http://${given}`;
    if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
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
