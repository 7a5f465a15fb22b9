// What happened lately.

import { moment } from "./format.js";
import { html } from "./html.js";
import { useState } from "./vendor/libraries.js";

/** One event in words, for the announcer. */
export function eventText(t, { kind, subject, message }) {
  return `${subject}: ${kindText(t, kind)}. ${message}`;
}

/** A kind that has no words yet is shown by its name. */
function kindText(t, kind) {
  const key = `kind_${kind}`;
  const text = t(key);
  return text === key ? kind.replaceAll("_", " ") : text;
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
            <time datetime=${event.time}>${moment(event.time)}</time>
            <span class="kind"><span class="dot" aria-hidden="true"></span>${t(
              `kind_${event.kind}`,
            )}${event.count > 1
              ? html`
                <span class="times">×${event.count}</span>
              `
              : ""}</span>
            <span class="subject">${event.subject}</span>
            <span class="text">${event.message}</span>
          </li>
        `
      )
    }
    </ol>`}
  `;
}
