// What happened lately.

import { moment } from "./format.js";
import { html } from "./html.js";
import { requestsLink } from "./requests_link.js";
import { useState } from "./vendor/libraries.js";

/** One event in words, for the announcer. */
export function eventText(t, { kind, subject, message }) {
  return `${subject}: ${kindText(t, kind)}. ${message}`;
}

/** The same where its subject is known. */
export function eventWords(t, { kind, message, count, since }) {
  const often = count > 1 ? ` ×${count}, ${t("event_since", { time: moment(since) })}` : "";
  return `${kindText(t, kind)}${often}: ${message}`;
}

/** A kind that has no words yet is shown by its name. */
function kindText(t, kind) {
  const key = `kind_${kind}`;
  const text = t(key);
  return text === key ? kind.replaceAll("_", " ") : text;
}

/** Of which requests each kind tells, beside their instance and time. */
const ABOUT = {
  failover: { outcome: "failed_over" },
  resume: { outcome: "resumed" },
  answer_truncated: { outcome: "truncated" },
  request_kills_engines: { outcome: "failed" },
  no_instance: { outcome: "failed" },
  fallback_in_use: {},
  instance_ejected: {},
  instance_down: {},
  instance_hung: {},
  instance_misconfigured: {},
  error_rate: { outcome: "failing" },
  refused_rate: { outcome: "rejected" },
  policy_hits: {},
};
/** Kinds whose subject is a model. */
const OF_MODELS = new Set(["no_instance", "error_rate", "refused_rate"]);

/** What a kind's subject is the name of. */
function subjectOf(kind) {
  if (OF_MODELS.has(kind)) return "model";
  return kind === "policy_hits" ? "policy" : "instance";
}

/** What led to an event began before it. */
const BEFORE_MS = 5 * 60_000;

/** A link to the requests that an event tells of, where it tells of some. */
function requestsOf(t, { kind, subject, time }) {
  const about = ABOUT[kind];
  if (about === undefined) return "";
  const at = Date.parse(time);
  const link = requestsLink({
    ...about,
    [subjectOf(kind)]: subject === "unknown model" ? "" : subject,
    since: new Date(at - BEFORE_MS).toISOString(),
    until: new Date(at).toISOString(),
  });
  return html`
    <a class="to" href=${link} aria-label=${t("show_requests_of", {
      name: `${subject}, ${kindText(t, kind)}`,
    })}>${t("show_requests")}</a>
  `;
}

const PROBLEMS = new Set(["warning", "bad"]);

export function EventsView({ t, live }) {
  const [problemsOnly, setProblemsOnly] = useState(false);
  const shown = live.events.filter(({ level }) => !problemsOnly || PROBLEMS.has(level)).reverse();
  return html`
    <div class="head">
      <h1>${t("events")}</h1>
      <fieldset class="choice">
        <legend class="hidden">${t("filter")}</legend>
        ${[[false, "all"], [true, "problems_only"]].map(([value, name]) =>
          html`<label key=${name}><input type="radio" name="filter" checked=${
            problemsOnly === value
          }
        onChange=${() => setProblemsOnly(value)} /><span>${t(name)}</span></label>`
        )}
      </fieldset>
    </div>
    <p class="muted">${t("events_intro")}</p>
    ${shown.length === 0 ? html`<p class="muted">${t("no_events")}</p>` : html`<ol class="events">
      ${
      shown.map((event) =>
        html`
          <li key=${event.id} class=${`level-${event.level}`} data-kind=${event.kind}>
            <time datetime=${event.time}>${moment(event.time)}${event.count > 1
              ? html`
                <span class="sub">${t("event_since", { time: moment(event.since) })}</span>
              `
              : ""}</time>
            <span class="kind"><span class="dot" aria-hidden="true"></span>${t(
              `kind_${event.kind}`,
            )}${event.count > 1
              ? html`
                <span class="times">×${event.count}</span>
              `
              : ""}</span>
            <span class="subject">${event.subject}</span>
            <span class="text">${event.message}${requestsOf(t, event)}</span>
          </li>
        `
      )
    }
    </ol>`}
  `;
}
