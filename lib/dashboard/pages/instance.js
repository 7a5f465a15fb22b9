// One instance: how it is, why and since when, what its engine says, what it was asked last, and what can be
// done about it.

import { problemText } from "./api.js";
import { Curve } from "./curve.js";
import { duration, millis, moment, short, whole } from "./format.js";
import { html } from "./html.js";
import { LongHistory } from "./long_history.js";
import { PartProblem, usePolled } from "./polled.js";
import { eventWords } from "./events.js";
import { requestsLink } from "./requests_link.js";
import { probeWords } from "./words_outlook.js";
import { useState } from "./vendor/libraries.js";

const CURVES = ["requests_per_second", "tokens_per_second", "in_flight", "ttft_p50_ms"];
const REFRESH_MS = 5000;
const SHOWN = 12;

export function instanceLink(name) {
  return `#/instance/${encodeURIComponent(name)}`;
}

export function InstancePage({ t, theme, api, live, act, session, name }) {
  const { snapshot, history } = live;
  const [said, setSaid] = useState({ text: "", bad: false });
  /** What it said when it was asked by hand. */
  const [probed, setProbed] = useState(null);
  if (snapshot === null) return html`<p class="muted" role="status">${t("loading")}</p>`;
  const one = snapshot.instances.find((other) => other.name === name);
  if (one === undefined) {
    return html`
      <p class="sub"><a href="#/fleet">${t("fleet")}</a></p>
      <h1>${name}</h1>
      <p class="muted" role="status">${t("no_such_instance")}</p>
    `;
  }
  const ask = async () => {
    setProbed({ lines: [t("asking", { name })], ok: true });
    try {
      const found = await act("ask", { instance: name });
      setProbed(found && { lines: probeWords(t, found, millis), ok: found.ok });
    } catch (error) {
      setProbed({ lines: [problemText(t, error)], ok: false });
    }
  };
  const run = async (path, body, words) => {
    try {
      const done = await act(path, { instance: name, ...body });
      if (done !== null) setSaid({ text: t(words, { name, ...done }), bad: false });
    } catch (error) {
      setSaid({ text: problemText(t, error), bad: true });
    }
  };
  const button = (words, onClick) =>
    html`<button type="button" onClick=${onClick}>${t(words)}</button>`;
  return html`
    <p class="sub"><a href="#/fleet">${t("fleet")}</a></p>
    <div class="head">
      <h1>${name}</h1>
      <span class=${`chip ${one.state}`}><span class="dot" aria-hidden="true"></span>${t(
        `state_${one.state}`,
      )}</span>
    </div>
    <p class="condition">${conditionText(t, one, snapshot.time)}</p>
    <p class="row">
      ${one.drained
        ? button("undrain", () => run("undrain", {}, "undrained_done"))
        : button("drain", () => run("drain", {}, "drained_done"))}
      ${one.in_flight > 0 && button("move", () => run("drain", { move: true }, "moved_done"))}
      ${button("ask_now", ask)}
      <a href=${requestsLink({ instance: name })}>${t("requests")}</a>
    </p>
    <p class=${said.bad ? "said problem" : "said"} role="status">${said.text}</p>
    <div class=${probed?.ok === false ? "probed bad" : "probed"} role="status">
      ${(probed?.lines ?? []).map((line, index) => html`<p key=${index}>${line}</p>`)}
    </div>
    <${Facts} t=${t} one=${one} />
    <div class="curves">
      ${CURVES.map((curve) =>
        html`
          <figure key=${curve}>
            <figcaption>${t(curve === "ttft_p50_ms" ? "ttft_ms" : curve)}</figcaption>
            <${Curve} times=${history.times} values=${history.instances[name]?.[curve] ??
              history.times.map(() => null)} height=${100} axes theme=${theme}
              label=${t("history_now", {
                what: t(curve === "ttft_p50_ms" ? "ttft_ms" : curve),
                now: short(one[curve]),
              })} />
          </figure>
        `
      )}
    </div>
    <${LongHistory} t=${t} theme=${theme} api=${api} session=${session}
      subject=${`i:${name}`} />
    <${ItsEvents} t=${t} events=${live.events} name=${name} />
    <${LastRequests} key=${name} t=${t} api=${api} session=${session} name=${name} />
  `;
}

/** "down for 5 min: no answer to GET /health within 2 s" */
export function conditionText(t, one, now) {
  const state = t(`state_${one.state}`);
  if (one.since === null) return t("condition_always", { state });
  const time = duration(Math.max(0, (Date.parse(now) - Date.parse(one.since)) / 1000));
  const words = t("condition_for", { state, time });
  return one.cause === "" ? words : `${words}: ${one.cause}`;
}

function Facts({ t, one }) {
  const { engine } = one;
  const percent = (share) => share === null ? "–" : `${Math.round(share * 100)} %`;
  const limit = one.max_concurrency === null ? "" : ` / ${one.max_concurrency}`;
  const facts = [
    ["address", one.url],
    ["models", one.models.join(", ")],
    ["context_length", one.context_length === null ? "–" : whole(one.context_length)],
    ["in_flight", `${whole(one.in_flight)}${limit}`],
    ["ttft_both", `${millis(one.ttft_p50_ms)} / ${millis(one.ttft_p99_ms)}`],
    ["requests", whole(one.requests)],
    ["failed_attempts", whole(one.errors)],
    ["recent_errors", whole(one.recent_errors)],
    ...(engine === null ? [["engine", t("engine_unknown")]] : [
      ["engine_running", whole(engine.running)],
      ["engine_waiting", whole(engine.waiting)],
      ["kv_usage", percent(engine.kv_usage)],
      ["prefix_hits", percent(engine.prefix_hits)],
    ]),
  ];
  return html`<dl class="facts line">${
    facts.map(([name, value]) =>
      html`
        <div key=${name} data-fact=${name}>
          <dt>${t(name)}</dt>
          <dd>${value}</dd>
        </div>
      `
    )
  }</dl>`;
}

/** What happened with it, the newest first. */
function ItsEvents({ t, events, name }) {
  const own = events.filter(({ subject }) => subject === name).slice(-SHOWN).reverse();
  if (own.length === 0) return null;
  return html`
    <section aria-labelledby="its-events">
      <h2 id="its-events">${t("events")}</h2>
      <ul class="timeline">
          ${own.map((event) =>
            html`
              <li key=${event.id}>
                <span class="at">${moment(event.time)}</span>
                <span>${eventWords(t, event)}</span>
              </li>
            `
          )}
        </ul>
    </section>
  `;
}

/** What it failed lately, in its own words; nothing where who looks may not see requests. */
function LastRequests({ t, api, session, name }) {
  const query = new URLSearchParams({ instance: name, count: 100 });
  const { value, problem } = usePolled(api, `requests?${query}`, REFRESH_MS, session);
  if (value === null) return html`<${PartProblem} t=${t} problem=${problem} />`;
  const errors = value.requests.flatMap((request) =>
    request.attempts.filter((one) => one.instance === name && (one.error ?? "") !== "")
      .map((attempt) => ({ request, attempt }))
  );
  return html`<section aria-labelledby="last-errors">
    <h2 id="last-errors">${t("last_errors")} <span class="count">${errors.length}</span></h2>
    ${
    errors.length === 0 ? html`<p class="muted">${t("no_last_errors")}</p>` : html`
      <ul class="timeline">
        ${errors.slice(0, SHOWN).map(({ request, attempt }) =>
          html`
            <li key=${request.id}>
              <span class="at">${moment(request.at)}</span>
              <span><a href=${requestsLink({ instance: name, id: request.id, at: request.at })}>${t(
                `try_${attempt.outcome}`,
              )}${attempt.status === undefined ? "" : ` ${attempt.status}`}</a>: ${attempt
                .error}</span>
            </li>
          `
        )}
      </ul>
    `
  }
  </section>`;
}
