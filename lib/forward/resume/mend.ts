// Mends a second stream onto the first, event by event: what the client has already is left out, names
// and times are the first's. One object for each resumed stream; who mends is told by way and API.

import type { Api } from "../../api/api.ts";
import type { ResumeWay } from "../../api/dialect.ts";
import { type Json, objectIn } from "../../json/json.ts";
import { parseEvents } from "../../sse/parse.ts";
import type { Stage } from "../stage.ts";
import { Continuation } from "./continuation.ts";
import type { Mended, Mender } from "./mender.ts";
import type { Sent } from "./plan.ts";
import { ChunkReplay } from "./replay_chunks.ts";
import { MessagesReplay } from "./replay_messages.ts";
import { ResponsesReplay } from "./replay_responses.ts";

const encoder = new TextEncoder();

/** Lets pass what a second stream adds to the first. */
export class MendStage implements Stage {
  readonly #mender: Mender;

  constructor(way: ResumeWay, api: Api, request: Json, sent: Sent) {
    this.#mender = menderFor(way, api, request, sent);
  }

  get caughtUp(): boolean {
    return this.#mender.caughtUp;
  }

  get isOver(): boolean {
    return this.#mender.isOver === true;
  }

  take(events: Uint8Array): Uint8Array | null {
    let mended = "";
    for (const { data, event } of parseEvents(events)) {
      const text = this.#event(data, event);
      if (text === "disagrees") return null;
      mended += text ?? "";
    }
    return encoder.encode(mended);
  }

  /** `data: null` and events of a server's own are no part of an answer: a broken one never gets here. */
  #event(data: string, name: string | undefined): Mended {
    if (data !== "[DONE]" && objectIn(data) === null) return null;
    return this.#mender.event(data, name);
  }
}

function menderFor(way: ResumeWay, api: Api, request: Json, sent: Sent): Mender {
  if (way === "continue") return new Continuation(api, request, sent);
  switch (api) {
    case "messages":
      return new MessagesReplay(sent.events());
    case "responses":
      return new ResponsesReplay(sent.events());
    default:
      return new ChunkReplay(sent);
  }
}
