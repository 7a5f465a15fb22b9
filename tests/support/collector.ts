// A collector of traces inside the test: takes what a gateway exports over OTLP and keeps the spans that
// the gateway itself made. What they should say is left to the tests.

import assert from "node:assert/strict";

/** One span as it came over OTLP, as far as the tests read it. */
export interface Span {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  /** OTLP: 2 server, 3 client. */
  kind: number;
  attributes: Record<string, string | number | boolean>;
  /** OTLP: 0 unset, 2 error. */
  status: number;
  startNs: bigint;
  endNs: bigint;
}

export interface Collector extends AsyncDisposable {
  /** Environment that makes a gateway send its spans here. */
  readonly env: Record<string, string>;
  /** Spans that the gateway itself made, in the order of their beginning. */
  spans(): Span[];
}

/** Starts one on a free port of 127.0.0.1. */
export function startCollector(): Collector {
  const spans: Span[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const body = await request.json();
      if (new URL(request.url).pathname === "/v1/traces") spans.push(...spansIn(body));
      return Response.json({});
    },
  );
  return {
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${server.addr.port}`,
      OTEL_BSP_SCHEDULE_DELAY: "50",
      OTEL_SERVICE_NAME: "gateway-under-test",
    },
    spans: () => spans.toSorted((a, b) => Number(a.startNs - b.startNs)),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

// deno-lint-ignore no-explicit-any -- OTLP's JSON, as far as it is read
function spansIn(body: any): Span[] {
  const found: Span[] = [];
  for (const { resource, scopeSpans } of body.resourceSpans) {
    assert.equal(attributesOf(resource.attributes)["service.name"], "gateway-under-test");
    for (const { scope, spans } of scopeSpans) {
      if (scope.name !== "simple-ai-gateway") continue;
      for (const span of spans) {
        found.push({
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId ?? "",
          name: span.name,
          kind: span.kind,
          attributes: attributesOf(span.attributes),
          status: span.status?.code ?? 0,
          startNs: BigInt(span.startTimeUnixNano),
          endNs: BigInt(span.endTimeUnixNano),
        });
      }
    }
  }
  return found;
}

// deno-lint-ignore no-explicit-any -- OTLP's JSON, as far as it is read
function attributesOf(list: any[]): Span["attributes"] {
  return Object.fromEntries(list.map(({ key, value }) => {
    if ("intValue" in value) return [key, Number(value.intValue)];
    return [key, value.stringValue ?? value.boolValue ?? value.doubleValue];
  }));
}
