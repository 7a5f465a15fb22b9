// Spans of requests and attempts, through the tracer that Deno registers with OTEL_DENO=true. Exporting
// them is Deno's part; what is not traced has no object here at all.

import {
  type Attributes,
  type Context,
  context,
  propagation,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer,
} from "@opentelemetry/api";
import { header, type HeaderList } from "../http/message.ts";
import type { Report, ReportedAttempt, TryOutcome } from "./report.ts";

/** What is known of a request when it arrives. */
export interface Arrival {
  id: string;
  method: string;
  /** One of few paths, or "other" (server/routes.ts). */
  route: string;
  headers: HeaderList;
  remoteAddress: string;
}

/** What an instance counted. */
export interface Tokens {
  promptTokens: number;
  completionTokens: number;
}

const OPERATIONS: Readonly<Record<string, string>> = {
  "/v1/chat/completions": "chat",
  "/v1/messages": "chat",
  "/v1/responses": "chat",
  "/v1/completions": "text_completion",
  "/v1/embeddings": "embeddings",
};

/** Outcomes of an attempt that are no failure of the instance. */
const FINE: ReadonlySet<TryOutcome> = new Set(["answered", "aborted", "too_long", "moved"]);

export class Tracing {
  readonly #tracer: Tracer = trace.getTracer("simple-ai-gateway");

  /** null where Deno traces nothing. */
  static open(): Tracing | null {
    return trace.getTracerProvider() instanceof ProxyTracerProvider ? null : new Tracing();
  }

  /** Begins the span of a request; the client's trace goes on where it brought one. */
  request(arrival: Arrival): RequestTrace {
    const parent = clientsContext(arrival.headers);
    // Deno records every span. A client that has decided against recording its trace is obeyed.
    const sampled = trace.getSpanContext(parent)?.traceFlags !== TraceFlags.NONE;
    return new RequestTrace(this.#tracer, arrival, parent, sampled);
  }
}

/** The span of one request, if its trace is recorded. */
export class RequestTrace {
  readonly #span: Span | null;
  readonly #context: Context;
  readonly #operation: Attributes;
  #attempts = 0;

  constructor(
    private readonly tracer: Tracer,
    { id, method, route, headers, remoteAddress }: Arrival,
    parent: Context,
    sampled: boolean,
  ) {
    const operation = OPERATIONS[route];
    this.#operation = operation === undefined ? {} : { "gen_ai.operation.name": operation };
    if (!sampled) {
      this.#span = null;
      this.#context = parent;
      return;
    }
    const known = route !== "other";
    this.#span = tracer.startSpan(known ? `${method} ${route}` : method, {
      kind: SpanKind.SERVER,
      attributes: {
        "http.request.method": method,
        ...(known ? { "http.route": route } : {}),
        ...addressOf(header(headers, "host")),
        "client.address": remoteAddress,
        "gateway.request_id": id,
        ...this.#operation,
      },
    }, parent);
    this.#context = trace.setSpan(parent, this.#span);
  }

  /** Begins the span of one more attempt; `origin` is the instance's scheme, host and port. */
  attempt(model: string, instance: { name: string; origin: string }): AttemptTrace {
    this.#attempts++;
    if (this.#span === null) return new AttemptTrace(null, this.#context);
    const operation = this.#operation["gen_ai.operation.name"];
    const span = this.tracer.startSpan(
      operation === undefined ? "attempt" : `${operation} ${model}`,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          ...this.#operation,
          "gen_ai.request.model": model,
          ...addressOf(new URL(instance.origin)),
          "gateway.instance": instance.name,
          "gateway.attempt": this.#attempts,
        },
      },
      this.#context,
    );
    return new AttemptTrace(span, trace.setSpan(this.#context, span));
  }

  /** Ends the span of a request that an error of the gateway's own has ended. */
  fail(): void {
    this.#span?.setAttribute("error.type", "internal");
    this.#span?.setStatus({ code: SpanStatusCode.ERROR, message: "an error of the gateway's own" });
    this.#span?.end();
  }

  /** Ends the span with what came of the request. */
  end(report: Report): void {
    const span = this.#span;
    if (span === null) return;
    const { model, instance, firstByteMs, outcome, status, error } = report;
    span.setAttributes({
      "http.response.status_code": status,
      ...(model === "" ? {} : { "gen_ai.request.model": model }),
      ...tokensOf(report),
      "gateway.outcome": outcome,
      "gateway.attempts": report.attempts.length,
      "gateway.resumes": report.resumes.length,
      "gateway.stream": report.streamed,
      ...(instance === "" ? {} : { "gateway.instance": instance }),
      ...(firstByteMs === null ? {} : { "gateway.time_to_first_byte": firstByteMs / 1000 }),
    });
    if (outcome === "failed" || outcome === "truncated") {
      span.setAttribute("error.type", status >= 400 ? String(status) : outcome);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    }
    span.end();
  }
}

/** The span of one attempt, if its trace is recorded. */
export class AttemptTrace {
  #ended = false;

  constructor(private readonly span: Span | null, private readonly context: Context) {}

  /** The fields of a request to the instance, with this span as the parent of what it does. */
  headers(fields: HeaderList, transportTraces: boolean): HeaderList {
    if (this.span === null && !transportTraces) return fields;
    const others = fields.filter(([name]) => name !== "traceparent");
    if (this.span === null || transportTraces) return others;
    return [...others, ["traceparent", traceparentOf(this.span)]];
  }

  /** Runs `start` so that spans that Deno makes by itself are below this one. */
  within<T>(start: () => T): T {
    return context.with(this.context, start);
  }

  /** Ends the span; only the first call counts. */
  end(attempt: ReportedAttempt | undefined, usage: Tokens | null): void {
    if (this.span === null || this.#ended) return;
    this.#ended = true;
    if (attempt !== undefined) {
      const { outcome, status, error } = attempt;
      this.span.setAttribute("gateway.outcome", outcome);
      if (status !== undefined) this.span.setAttribute("http.response.status_code", status);
      if (outcome === "answered") this.span.setAttributes(tokensOf(usage));
      if (!FINE.has(outcome)) {
        this.span.setAttribute(
          "error.type",
          status !== undefined && status >= 400 ? String(status) : outcome,
        );
        this.span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      }
    }
    this.span.end();
  }
}

function clientsContext(headers: HeaderList): Context {
  const traceparent = header(headers, "traceparent");
  if (traceparent === undefined) return ROOT_CONTEXT;
  const fields: Record<string, string> = { traceparent };
  const tracestate = header(headers, "tracestate");
  if (tracestate !== undefined) fields.tracestate = tracestate;
  return propagation.extract(ROOT_CONTEXT, fields);
}

/** W3C Trace Context, section 3.2. */
function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

function tokensOf(tokens: Pick<Report, "promptTokens" | "completionTokens"> | null): Attributes {
  if (tokens === null || tokens.promptTokens === null || tokens.completionTokens === null) {
    return {};
  }
  return {
    "gen_ai.usage.input_tokens": tokens.promptTokens,
    "gen_ai.usage.output_tokens": tokens.completionTokens,
  };
}

/** Host and port, of a Host field or a URL. */
function addressOf(where: string | URL | undefined): Attributes {
  if (where === undefined) return {};
  const text = typeof where === "string" ? `http://${where}` : where.href;
  if (!URL.canParse(text)) return {};
  const { hostname, port, protocol } = new URL(text);
  return {
    "server.address": hostname,
    "server.port": port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
  };
}
