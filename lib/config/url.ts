// The url of an instance: which are accepted, and what they mean.

import { BAD_PORTS } from "./bad_ports.ts";

/** Where an instance is: its server and what stands before /v1. Or why the url will not do. */
export function readUrl(text: string): { origin: string; pathPrefix: string } | string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return "expected an absolute URL such as http://10.0.0.1:8000/v1";
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return "expected http:// or https://";
  if (url.username !== "" || url.password !== "") {
    return "credentials do not belong in the url; use api_key";
  }
  if (url.search !== "" || url.hash !== "") return "expected a url without query or fragment";
  const port = Number(url.port || (url.protocol === "http:" ? 80 : 443));
  if (BAD_PORTS.has(port)) {
    return `port ${port} is one that HTTP clients refuse (WHATWG bad ports); choose another`;
  }
  const path = url.pathname.replace(/\/+$/, "");
  const base = path.replace(OF_THE_API, "");
  if (base !== path) return `expected the base of the API, \`${url.origin}${base}/v1\``;
  return { origin: url.origin, pathPrefix: path.replace(/\/v1$/, "") };
}

/** What clients put behind the base address, and people copy along with it. */
const OF_THE_API =
  /(?:\/v1)?\/chat\/completions$|\/v1\/(?:completions|responses|messages|embeddings|models)$/;
