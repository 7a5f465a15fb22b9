// What is said to a client that asks for a model or a path that is not there: what it may have meant.

import type { Config } from "../config/config.ts";
import { nearest } from "../config/nearest.ts";
import { RequestError } from "../http/client.ts";
import { pathOf } from "../http/message.ts";
import { quotedName } from "./read.ts";
import { routeOf } from "./routes.ts";

/** Names beyond these are left to /v1/models. */
const MAX_NAMED = 8;

/** `known`: the models that this client may ask for. */
export function noSuchModel(model: string, known: readonly string[]): RequestError {
  const meant = nearest(model.slice(0, 100), known);
  const names = known.slice(0, MAX_NAMED).map((name) => `\`${quotedName(name)}\``).join(", ");
  const hint = meant !== null
    ? ` Did you mean \`${meant}\`?`
    : known.length > MAX_NAMED
    ? ` There are ${names} and ${known.length - MAX_NAMED} more (GET /v1/models).`
    : ` There ${known.length === 1 ? "is" : "are"} ${names}.`;
  const said = `The model \`${quotedName(model)}\` does not exist.${known.length > 0 ? hint : ""}`;
  return new RequestError(404, said, "model");
}

/** A model that a discovery looks for is no unknown one while none is found: the client may come again. */
export function noneFoundYet(model: string, { discovery }: Config): RequestError | null {
  if (!discovery.some(({ found }) => found.models.includes(model))) return null;
  return new RequestError(503, `No instance of the model \`${quotedName(model)}\` is found.`);
}

/** A path that is none, with /v1 before it where that would be one: a base URL without /v1 is usual. */
export function noSuchPath(target: string, method: string): RequestError {
  const path = pathOf(target);
  const route = path.startsWith("/v1") ? null : routeOf(`/v1${path}`, method);
  const isKnown = route !== null &&
    (route.kind === "models" || (route.kind === "proxy" && OFTEN_MEANT.test(path)));
  return new RequestError(404, isKnown ? `Not Found: did you mean /v1${path}?` : "Not Found");
}

const OFTEN_MEANT =
  /^\/(chat\/completions|completions|responses|messages|embeddings|audio\/\w+|images\/generations)$/;
