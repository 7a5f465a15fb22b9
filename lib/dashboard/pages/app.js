// The frame around the views: which one is open, colours, language, who is signed in, and the live
// figures that all views share.

import { Api, ApiError, stored } from "./api.js";
import { ConfigView } from "./config.js";
import { EventsView, eventText } from "./events.js";
import { FleetView } from "./fleet.js";
import { moment } from "./format.js";
import { html } from "./html.js";
import { InstancePage } from "./instance.js";
import { KeysView } from "./keys.js";
import { Playground } from "./playground.js";
import { PoliciesView } from "./policies.js";
import { RecordsView } from "./records.js";
import { RequestsView } from "./requests.js";
import { SignIn } from "./sign_in.js";
import { render, useEffect, useMemo, useRef, useState } from "./vendor/libraries.js";
import { LANGUAGES, preferredLanguage, wordsOf } from "./words.js";

const VIEWS = [
  "fleet",
  "requests",
  "events",
  "records",
  "keys",
  "policies",
  "config",
  "playground",
];
const THEMES = ["auto", "light", "dark"];
const EVENTS_KEPT = 500;

/** They are reached from others and stand not in the list. */
const MORE_VIEWS = ["instance"];

/** `#/records/PLACE` as ["records", "PLACE"]. */
function routeNow() {
  const [view, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return [
    VIEWS.includes(view) || MORE_VIEWS.includes(view) ? view : "fleet",
    decoded(rest.join("/")),
  ];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    // A link that was cut off or typed by hand: it leads to no record.
    return text;
  }
}

function useRoute() {
  const [route, setRoute] = useState(routeNow);
  useEffect(() => {
    const changed = () => setRoute(routeNow());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** A choice that is remembered in this browser, as far as it allows that. */
function useChoice(name, choices, first) {
  const [value, setValue] = useState(() => {
    const kept = stored(() => localStorage.getItem(name));
    return choices.includes(kept) ? kept : first;
  });
  const choose = (next) => {
    stored(() => localStorage.setItem(name, next));
    setValue(next);
  };
  return [value, choose];
}

/** The colours in force, when the system's are followed too. */
function useTheme(choice) {
  const query = useMemo(() => matchMedia("(prefers-color-scheme: dark)"), []);
  const [systemDark, setSystemDark] = useState(query.matches);
  useEffect(() => {
    const changed = () => setSystemDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  const theme = choice === "auto" ? (systemDark ? "dark" : "light") : choice;
  // Before the children draw in these colours.
  document.documentElement.dataset.theme = theme;
  return theme;
}

const NOTHING = { snapshot: null, history: null, events: [] };

/** The live figures; `refused` once the gateway asked for a token. */
function useLive(api, session) {
  const [data, setData] = useState(NOTHING);
  const [state, setState] = useState("wait");
  const [refused, setRefused] = useState(null);
  useEffect(() => {
    setRefused(null);
    return api.live({
      message: (name, value) => setData((before) => merged(before, name, value)),
      state: setState,
      refused: setRefused,
    });
  }, [session]);
  return { ...data, state, refused };
}

function merged(before, name, value) {
  switch (name) {
    case "begin":
      return value;
    case "snapshot":
      return { ...before, snapshot: value, history: grown(before.history, value) };
    case "event": {
      const others = before.events.filter(({ id }) => id !== value.id);
      return { ...before, events: [...others, value].slice(-EVENTS_KEPT) };
    }
  }
  return before;
}

const CURVES = ["requests_per_second", "tokens_per_second", "in_flight", "ttft_p50_ms"];

/** The history with the figures of one more second, of the same length. */
function grown(history, snapshot) {
  const length = history.times.length;
  const next = (old, now) =>
    Object.fromEntries(
      CURVES.map((name) => [
        name,
        [...(old?.[name] ?? new Array(length).fill(null)), now[name]].slice(-length),
      ]),
    );
  return {
    times: [...history.times, Date.parse(snapshot.time) / 1000].slice(-length),
    totals: next(history.totals, snapshot.totals),
    instances: Object.fromEntries(
      snapshot.instances.map((one) => [one.name, next(history.instances[one.name], one)]),
    ),
  };
}

function App({ api }) {
  const [view, rest] = useRoute();
  const [language, setLanguage] = useChoice(
    "dashboard-language",
    Object.keys(LANGUAGES),
    preferredLanguage(),
  );
  const [themeChoice, setThemeChoice] = useChoice("dashboard-theme", THEMES, "auto");
  const theme = useTheme(themeChoice);
  const t = useMemo(() => wordsOf(language), [language]);
  // Counts up with each sign-in and sign-out, so that what depends on it starts anew.
  const [session, setSession] = useState(0);
  const [trusted, setTrusted] = useState(false);
  const [asking, setAsking] = useState(false);
  /** What waits for the token, and how it is told what came of it. */
  const waiting = useRef([]);
  const live = useLive(api, session);

  useEffect(() => {
    document.documentElement.lang = language;
    document.title = `${t(view)} · ${t("title")}`;
  }, [language, view]);

  useEffect(() => {
    if (api.token === null) return setTrusted(false);
    api.get("session").then(({ trusted }) => setTrusted(trusted), () => setTrusted(false));
  }, [session]);

  const signIn = async (token) => {
    // No configuration has another one, and no header.
    if (!/^[\x21-\x7e]+$/.test(token)) return false;
    let ok = false;
    try {
      api.token = token;
      ok = (await api.get("session")).trusted;
    } catch (error) {
      if (error.status !== 401) throw error;
    } finally {
      // Nothing is asked with a token that nobody has found to be right.
      if (!ok) api.token = null;
    }
    if (!ok) return false;
    // Taken out first: the dialog, as it goes, gives up what still waits.
    const actions = waiting.current.splice(0);
    setAsking(false);
    setSession((n) => n + 1);
    for (const { path, body, settle } of actions) settle(api.post(path, body));
    return true;
  };
  const signOut = () => {
    api.token = null;
    setSession((n) => n + 1);
  };
  const stopAsking = () => {
    setAsking(false);
    for (const { settle } of waiting.current.splice(0)) settle(null);
  };
  /** Asks for the token; what wanted it is done then, once. */
  const afterSignIn = (path, body) =>
    new Promise((settle) => {
      waiting.current.push({ path, body, settle });
      setAsking(true);
    });
  /** Runs an action that needs the token; asks for it first when there is none. null: it was not given. */
  const act = async (path, body) => {
    if (!trusted) return await afterSignIn(path, body);
    try {
      return await api.post(path, body);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return await afterSignIn(path, body);
      throw error;
    }
  };

  const shared = { t, theme, language, api, live, act, session };
  return html`
    <a class="skip" href="#content" onClick=${skip}>${t("skip")}</a>
    <header class="top">
      <span class="brand">${t("title")}</span>
      <nav aria-label=${t("views")}>
        ${VIEWS.map((name) =>
          html`<a href=${`#/${name}`} aria-current=${name === view ? "page" : undefined}>${
            t(name)
          }</a>`
        )}
      </nav>
      <div class="settings">
        ${live.refused === null && html`<${Connection} t=${t} state=${live.state} />`}
        <button type="button" lang=${language === "en" ? "zh" : "en"} aria-label=${t(
          "language_label",
        )} onClick=${() => setLanguage(language === "en" ? "zh" : "en")}>${t("language")}</button>
        <label class="plain">
          <span class="hidden">${t("theme")}</span>
          <select value=${themeChoice} onChange=${(event) => setThemeChoice(event.target.value)}>
            ${THEMES.map((one) => html`<option value=${one}>${t(`theme_${one}`)}</option>`)}
          </select>
        </label>
        ${trusted && live.refused === null
          ? html`<button type="button" onClick=${signOut}>${t("sign_out")}</button>`
          : html`<button type="button" onClick=${() => setAsking(true)}>${t("sign_in")}</button>`}
      </div>
    </header>
    <${RefusedBanner} t=${t} refused=${live.snapshot?.refused} />
    <main id="content" tabindex="-1">
      ${live.refused !== null
        ? html`<${SignIn} t=${t} signIn=${signIn} message=${
          live.refused.status === 401 ? t("token_needed") : live.refused.message
        } />`
        : html`<${View} name=${view} rest=${rest} shared=${shared} />`}
    </main>
    <${Announcer} t=${t} events=${live.events} />
    ${asking &&
      html`<${SignInDialog} t=${t} api=${api} signIn=${signIn} close=${stopAsking} />`}
  `;
}

/** The hash is the view's: the link moves the focus by itself. */
function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

function View({ name, rest, shared }) {
  switch (name) {
    case "fleet":
      return html`<${FleetView} ...${shared} />`;
    case "events":
      return html`<${EventsView} ...${shared} />`;
    case "instance":
      return html`<${InstancePage} ...${shared} key=${rest} name=${rest} />`;
    case "requests":
      return html`<${RequestsView} ...${shared} place=${rest} />`;
    case "records":
      return html`<${RecordsView} ...${shared} place=${rest} />`;
    case "keys":
      return html`<${KeysView} ...${shared} />`;
    case "policies":
      return html`<${PoliciesView} ...${shared} />`;
    case "config":
      return html`<${ConfigView} ...${shared} />`;
    case "playground":
      return html`<${Playground} ...${shared} />`;
  }
}

/** On every page: what people see is not what the file says. */
function RefusedBanner({ t, refused }) {
  if (!refused) return null;
  return html`
    <div class="banner" role="alert">
      <p>${t("config_refused", { time: moment(refused.time) })} <a href="#/config">${t(
        "see_config",
      )}</a></p>
      <p class="sub"><code>${refused.problems[0]}</code></p>
    </div>
  `;
}

function Connection({ t, state }) {
  return html`<span class=${`connection ${state}`} role="status">
    <span class="dot" aria-hidden="true"></span>${t(`connection_${state}`)}
  </span>`;
}

/** Says what happens to those who do not see it; only what came after the page was opened. */
function Announcer({ t, events }) {
  const first = useRef(null);
  const newest = events.at(-1);
  if (first.current === null && newest !== undefined) first.current = newest;
  const text = newest === undefined || newest === first.current ? "" : eventText(t, newest);
  return html`<div class="hidden" aria-live="polite">${text}</div>`;
}

function SignInDialog({ t, api, signIn, close }) {
  const dialog = useRef(null);
  const [hasToken, setHasToken] = useState(null);
  useEffect(() => {
    // Where not even this may be asked, there is a token.
    api.get("session").then((now) => setHasToken(now.has_token), () => setHasToken(true));
  }, []);
  useEffect(() => {
    if (hasToken !== null) dialog.current.showModal();
  }, [hasToken]);
  if (hasToken === null) return null;
  return html`
    <dialog ref=${dialog} onClose=${close} aria-labelledby="sign-in-title">
      ${hasToken
        ? html`<${SignIn} t=${t} signIn=${signIn} message=${
          t("token_for_actions")
        } cancel=${close} />`
        : html`
          <h1 id="sign-in-title">${t("sign_in")}</h1>
          <p class="notice">${t("token_missing")}</p>
          <button type="button" onClick=${close}>${t("close")}</button>
        `}
    </dialog>
  `;
}

render(html`<${App} api=${new Api()} />`, document.getElementById("app"));
