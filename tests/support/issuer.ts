// Who signs tokens, and publishes the keys to check them by.

import * as jose from "jose";

export interface Signer {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  public: jose.JWK;
}

export async function signer(kid: string, alg = "ES256"): Promise<Signer> {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, public: { ...await jose.exportJWK(publicKey), kid, alg } };
}

/** The server that publishes keys, and what was asked of it. */
export class Issuer implements AsyncDisposable {
  keys: jose.JWK[] = [];
  asked = 0;
  /** Answers about keys wait for it. */
  held: Promise<void> = Promise.resolve();
  fault: "none" | "status" | "moved" | "nonsense" | "empty" = "none";
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(...signers: Signer[]) {
    this.keys = signers.map((one) => one.public);
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => this.#answer(new URL(request.url).pathname),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async #answer(path: string): Promise<Response> {
    if (path === "/.well-known/openid-configuration") {
      return Response.json({ issuer: this.url, jwks_uri: `${this.url}/keys` });
    }
    this.asked++;
    await this.held;
    switch (this.fault) {
      case "status":
        return new Response("busy", { status: 503 });
      case "moved":
        return new Response(null, { status: 302, headers: { location: "/moved" } });
      case "nonsense":
        return new Response("<html>");
      case "empty":
        return Response.json({ keys: [] });
      case "none":
        return Response.json({ keys: this.keys });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
