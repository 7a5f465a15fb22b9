// The form that asks for the token.

import { problemText } from "./api.js";
import { html } from "./html.js";
import { useEffect, useRef, useState } from "./vendor/libraries.js";

/** `signIn` resolves to whether the token was right; `cancel` is there in the dialog only. */
export function SignIn({ t, signIn, message, cancel }) {
  const field = useRef(null);
  const [problem, setProblem] = useState("");
  useEffect(() => field.current.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    setProblem("");
    try {
      if (!await signIn(field.current.value.trim())) setProblem(t("token_wrong"));
    } catch (error) {
      setProblem(problemText(t, error));
    }
    field.current?.select();
  };
  return html`
    <form class="sign-in" onSubmit=${submit}>
      <h1 id="sign-in-title">${t("sign_in")}</h1>
      <p>${message}</p>
      <label for="token">${t("token")}</label>
      <input id="token" ref=${field} type="password" autocomplete="current-password" required
        aria-describedby="token-hint" />
      <p id="token-hint" class="muted">${t("token_hint")}</p>
      <p class="problem" role="alert">${problem}</p>
      <p class="row">
          <button type="submit" class="primary">${t("sign_in")}</button>
          ${cancel && html`<button type="button" onClick=${cancel}>${t("cancel")}</button>`}
        </p>
    </form>
  `;
}
