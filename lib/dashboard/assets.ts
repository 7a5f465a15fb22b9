// The pages' files, embedded as text, and the headers that keep anything else from running in them.

import type { AdminReply } from "../http/admin.ts";
import { SECURITY_HEADERS } from "../http/admin_reply.ts";
import { header, type HeaderList } from "../http/message.ts";
import api from "./pages/api.js" with { type: "text" };
import app from "./pages/app.js" with { type: "text" };
import config from "./pages/config.js" with { type: "text" };
import curve from "./pages/curve.js" with { type: "text" };
import events from "./pages/events.js" with { type: "text" };
import failing from "./pages/failing.js" with { type: "text" };
import fleet from "./pages/fleet.js" with { type: "text" };
import format from "./pages/format.js" with { type: "text" };
import html from "./pages/html.js" with { type: "text" };
import index from "./pages/index.html" with { type: "text" };
import keys from "./pages/keys.js" with { type: "text" };
import instance from "./pages/instance.js" with { type: "text" };
import longHistory from "./pages/long_history.js" with { type: "text" };
import playground from "./pages/playground.js" with { type: "text" };
import playgroundCode from "./pages/playground_code.js" with { type: "text" };
import policies from "./pages/policies.js" with { type: "text" };
import polled from "./pages/polled.js" with { type: "text" };
import table from "./pages/table.js" with { type: "text" };
import wordsOutlook from "./pages/words_outlook.js" with { type: "text" };
import records from "./pages/records.js" with { type: "text" };
import requestStory from "./pages/request_story.js" with { type: "text" };
import requests from "./pages/requests.js" with { type: "text" };
import requestsLink from "./pages/requests_link.js" with { type: "text" };
import signIn from "./pages/sign_in.js" with { type: "text" };
import style from "./pages/style.css" with { type: "text" };
import libraries from "./pages/vendor/libraries.js" with { type: "text" };
import uplotStyle from "./pages/vendor/uplot.css" with { type: "text" };
import usage from "./pages/usage.js" with { type: "text" };
import words from "./pages/words.js" with { type: "text" };
import wordsPolicies from "./pages/words_policies.js" with { type: "text" };
import wordsRequests from "./pages/words_requests.js" with { type: "text" };

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

type File = readonly [type: string, text: string];

/** Path below /dashboard/ to type and text. */
const FILES: Readonly<Record<string, File>> = {
  "api.js": [SCRIPT, api],
  "app.js": [SCRIPT, app],
  "config.js": [SCRIPT, config],
  "curve.js": [SCRIPT, curve],
  "events.js": [SCRIPT, events],
  "failing.js": [SCRIPT, failing],
  "fleet.js": [SCRIPT, fleet],
  "format.js": [SCRIPT, format],
  "html.js": [SCRIPT, html],
  "keys.js": [SCRIPT, keys],
  "instance.js": [SCRIPT, instance],
  "long_history.js": [SCRIPT, longHistory],
  "playground.js": [SCRIPT, playground],
  "playground_code.js": [SCRIPT, playgroundCode],
  "policies.js": [SCRIPT, policies],
  "polled.js": [SCRIPT, polled],
  "table.js": [SCRIPT, table],
  "words_outlook.js": [SCRIPT, wordsOutlook],
  "records.js": [SCRIPT, records],
  "request_story.js": [SCRIPT, requestStory],
  "requests.js": [SCRIPT, requests],
  "requests_link.js": [SCRIPT, requestsLink],
  "sign_in.js": [SCRIPT, signIn],
  "usage.js": [SCRIPT, usage],
  "words.js": [SCRIPT, words],
  "words_policies.js": [SCRIPT, wordsPolicies],
  "words_requests.js": [SCRIPT, wordsRequests],
  "style.css": [STYLE, style],
  "vendor/libraries.js": [SCRIPT, libraries],
  "vendor/uplot.css": [STYLE, uplotStyle],
};

const PAGE: File = ["text/html; charset=utf-8", withPreloads(index, Object.keys(FILES))];

/** A browser that is told of all modules at once need not find one in the other, one round trip each. */
function withPreloads(page: string, names: readonly string[]): string {
  const links = names.filter((name) => name.endsWith(".js"))
    .map((name) => `    <link rel="modulepreload" href="${name}">\n`);
  return page.replace("  </head>", `${links.join("")}  </head>`);
}

function fileOf(name: string): File | null {
  if (name === "") return PAGE;
  return Object.hasOwn(FILES, name) ? FILES[name] : null;
}

/** The pages' files with a tag for each, so that a browser asks again and gets nothing twice. */
export class Assets {
  readonly #files = new Map<string, { type: string; tag: string; bytes: Uint8Array }>();

  /** `name` is the path below /dashboard/; null when there is no such file. */
  async reply(name: string, headers: HeaderList): Promise<AdminReply | null> {
    const found = fileOf(name);
    if (found === null) return null;
    let file = this.#files.get(name);
    if (file === undefined) {
      const [type, text] = found;
      const bytes = new TextEncoder().encode(text);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      file = { type, tag: `"${digest.toHex().slice(0, 20)}"`, bytes };
      this.#files.set(name, file);
    }
    const own: HeaderList = [...SECURITY_HEADERS, ["etag", file.tag], [
      "cache-control",
      "no-cache",
    ]];
    if (header(headers, "if-none-match") === file.tag) {
      return { status: 304, headers: own, body: new Uint8Array(0) };
    }
    return { status: 200, headers: [["content-type", file.type], ...own], body: file.bytes };
  }
}
