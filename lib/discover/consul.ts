// Discovery by Consul: the passing instances of a service, by a blocking query, which an agent answers when
// something has changed (https://developer.hashicorp.com/consul/api-docs/features/blocking).

import { z } from "zod";
import type { ConsulPlace } from "../config/discovery.ts";
import { isName } from "./file.ts";
import { ask, json } from "./http.ts";
import { Loop } from "./loop.ts";
import { type Hearer, messageOf, type Source, Unusable } from "./source.ts";
import type { Target } from "./target.ts";

const WAIT_S = 60;
/** An agent adds up to a sixteenth to the wait. */
const TIMEOUT_MS = (WAIT_S + WAIT_S / 16 + 10) * 1000;
/** A service that changes all the time is not asked more often. */
const PAUSE_MS = 200;

const entries = z.array(z.object({
  Node: z.object({ Address: z.string() }),
  Service: z.object({
    ID: z.string().default(""),
    Address: z.string().default(""),
    Port: z.number(),
    Weights: z.object({ Passing: z.number() }).nullish(),
    Meta: z.record(z.string(), z.string()).nullish(),
  }),
}));

export function openConsul(place: ConsulPlace, hearer: Hearer): Source {
  let index = 0;
  return new Loop(async (closing) => {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(TIMEOUT_MS)]);
    const headers: Record<string, string> = place.token === null
      ? {}
      : { "x-consul-token": place.token };
    const response = await ask({ url: urlOf(place, index), headers, signal });
    const answer = entries.safeParse(await json(response));
    if (!answer.success) throw new Unusable("its answer is no list of a service's health");
    const next = Number(response.headers.get("x-consul-index"));
    // An index that went back is of another leader: what it counts from is not known.
    index = next > index ? next : next === index ? index : 0;
    hearer.found(targetsOf(answer.data));
    return PAUSE_MS;
  }, (error) => {
    index = 0;
    hearer.failed(messageOf(error));
  });
}

function urlOf({ url, service, datacenter, tag }: ConsulPlace, index: number): string {
  const query = new URLSearchParams({ passing: "1" });
  if (datacenter !== null) query.set("dc", datacenter);
  if (tag !== null) query.set("tag", tag);
  if (index > 0) {
    query.set("index", String(index));
    query.set("wait", `${WAIT_S}s`);
  }
  return `${url}/v1/health/service/${encodeURIComponent(service)}?${query}`;
}

function targetsOf(list: z.output<typeof entries>): Target[] {
  const weights = list.map(({ Service }) => Service.Weights?.Passing ?? 1);
  const areAlike = new Set(weights).size < 2;
  return list.map(({ Node, Service }, at) => {
    const models = Service.Meta?.model_name?.split(",").map((model) => model.trim())
      .filter(Boolean);
    return {
      host: Service.Address || Node.Address,
      port: Service.Port,
      ...(areAlike ? {} : { share: weights[at] }),
      ...(models?.length ? { models } : {}),
      ...(isName(Service.ID) ? { name: Service.ID } : {}),
    };
  });
}
