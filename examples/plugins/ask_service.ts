// Asks another service, which a plugin in the sandbox cannot: this one needs `"trusted": true`.

import type { TrustedPolicy } from "./policy.d.ts";

const SERVICE = "http://127.0.0.1:7000/classify";

export default {
  name: "ask_service",
  async prompt({ texts }) {
    const response = await fetch(SERVICE, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text: texts.map(({ text }) => text).join("\n") }),
    });
    // An error is a fault of this plugin: the policy's `fail` says what it means.
    if (!response.ok) throw new Error(`the service answered ${response.status}`);
    const { label } = await response.json();
    return label === "forbidden" ? { action: "reject" } : "pass";
  },
} satisfies TrustedPolicy;
