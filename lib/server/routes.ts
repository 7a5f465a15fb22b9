// What a path means. An allowlist: what is not named here is not there.

import { type Api, apiAt } from "../api/dialects.ts";
import { isAdminPath } from "../http/admin.ts";
import { INFERENCE, QUESTIONS, ROOT_PATHS } from "../api/paths.ts";
import { inOnePiece } from "../json/one_piece.ts";

export type PathRoute =
  | { kind: "health" }
  /** What the process as a whole answers: metrics, dashboard and what is asked of its choices. */
  | { kind: "admin" }
  | { kind: "models"; id: string | null }
  /** What a caller may use, and has used. */
  | { kind: "key" }
  /** To an instance, by model. `api` is set where answers are understood and recorded. */
  | { kind: "proxy"; path: string; api: Api | null }
  /** To the instance that keeps a stored response. */
  | { kind: "stored_response"; id: string }
  | { kind: "not_found" }
  | { kind: "bad_path"; message: string };

/** Paths under /v1 that administer an instance, and what is below them; never for clients. */
const FORBIDDEN = /^\/v1\/(load_lora_adapter|unload_lora_adapter|realtime|internal)(\/|$)/;

const MODELS = "/v1/models/";

/** Paths that a metric may name. */
const KNOWN_PATHS: ReadonlyMap<string, string> = new Map(
  [...INFERENCE, ...QUESTIONS, "/v1/models", "/health"].map((path) => [path, inOnePiece(path)]),
);

/** A path as one of few names: itself where it is a known one, else "other". */
export function routeLabel(path: string): string {
  const known = KNOWN_PATHS.get(path);
  if (known !== undefined) return known;
  return path.startsWith("/v1/responses/") ? "/v1/responses/{id}" : "other";
}

/** Routes that are for known callers alone, where there are any. */
export function asksForKey(route: PathRoute): boolean {
  switch (route.kind) {
    case "proxy":
    case "stored_response":
    case "models":
    case "key":
      return true;
    default:
      return false;
  }
}

/** Finds the route of a request's target (path and query). `hasKeys`: callers are known by keys. */
export function routeOf(target: string, method = "GET", hasKeys = false): PathRoute {
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  // Names have slashes, per cent signs and more; the gateway reads them, no instance does.
  const isName = path.startsWith(MODELS);
  const fault = pathFault(isName ? path.replace(/%(2f|25)/gi, "_") : path) ??
    (isName ? null : aliasFault(path));
  if (fault !== null) return { kind: "bad_path", message: fault };
  const api = apiAt(path);
  if (api !== null) return { kind: "proxy", path, api };
  if (path === "/health") return { kind: "health" };
  if (path === "/" && (method === "GET" || method === "HEAD")) return { kind: "admin" };
  if (isAdminPath(path)) return { kind: "admin" };
  if (hasKeys && path === "/v1/key") return { kind: "key" };
  if (path === "/v1/models") return { kind: "models", id: null };
  if (path.startsWith(MODELS)) {
    return { kind: "models", id: decodeURIComponent(path.slice(MODELS.length)) };
  }
  const stored = /^\/v1\/responses\/([^/]+)(\/cancel|\/input_items)?\/?$/.exec(path);
  // Nothing is posted to a response but its end: /v1/responses/compact and the like are no ids.
  if (stored !== null && (method !== "POST" || stored[2] === "/cancel")) {
    return { kind: "stored_response", id: decodeURIComponent(stored[1]) };
  }
  if (FORBIDDEN.test(path.toLowerCase())) return { kind: "not_found" };
  if (/^\/v[12]\/./.test(path) || ROOT_PATHS.has(path)) return { kind: "proxy", path, api: null };
  return { kind: "not_found" };
}

/**
 * Other spellings of a path, which most servers take for the very path: who writes one would pass by all that goes
 * by the path here.
 */
function aliasFault(path: string): string | null {
  if (/%(2[de]|3\d|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/i.test(path)) {
    return "an escaped letter, digit or sign that needs no escape";
  }
  // Some servers pass over what stands behind it.
  return /;|%3b/i.test(path) ? "a semicolon in the path" : null;
}

/** Ways of writing a path that mean different things to different servers are refused. */
function pathFault(path: string): string | null {
  if (path.includes("\\")) return "a backslash in the path";
  if (path.includes("#")) return "a fragment behind the path";
  if (path.includes("//")) return "an empty segment in the path";
  if (/(^|\/)\.{1,2}(\/|$)/.test(path)) return "a dot segment in the path";
  if (!path.includes("%")) return null;
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return "a malformed escape in the path";
  }
  if (/%(2f|5c|00)/i.test(path)) return "an escaped slash, backslash or NUL in the path";
  // deno-lint-ignore no-control-regex -- exactly these are looked for
  if (/[\u0000-\u001f\u007f]/.test(decoded)) return "a control character in the path";
  if (/(^|\/)\.{1,2}(\/|$)/.test(decoded)) return "a dot segment in the path";
  if (decoded.includes("%")) return "a doubly escaped character in the path";
  return null;
}
