// Certificates for tests, made by openssl: an authority, and what it signs.

import { join } from "node:path";

export interface Signed {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Days from now on; negative for one that is over. */
  days?: number;
  /** As `openssl req -newkey` is told. */
  key?: readonly string[];
}

const P256 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/** An authority in a folder of its own. Needs openssl. */
export class Authority {
  #count = 0;

  private constructor(private readonly folder: string, readonly cert: string) {}

  static async make(folder: string, name = "authority"): Promise<Authority> {
    const own = await Deno.makeTempDir({ dir: folder });
    await openssl(own, [
      ...["req", "-x509", "-newkey", ...P256, "-nodes"],
      ...["-keyout", "ca.key", "-out", "ca.pem", "-subj", `/CN=${name}`, "-days", "30"],
    ]);
    return new Authority(own, await Deno.readTextFile(join(own, "ca.pem")));
  }

  /** A certificate of `name` for localhost and 127.0.0.1. */
  async sign(name: string, { days = 10, key = P256 }: CertificateOptions = {}): Promise<Signed> {
    const { folder } = this;
    const file = `${this.#count++}`;
    await Deno.writeTextFile(
      join(folder, "names"),
      "subjectAltName=DNS:localhost,IP:127.0.0.1\n",
    );
    await openssl(folder, [
      ...["req", "-newkey", ...key, "-nodes"],
      ...["-keyout", `${file}.key`, "-out", `${file}.csr`, "-subj", `/CN=${name}`],
    ]);
    // openssl counts days from now, backwards as well.
    await openssl(folder, [
      ...["x509", "-req", "-in", `${file}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key"],
      ...["-CAcreateserial", "-out", `${file}.pem`, "-days", String(days), "-extfile", "names"],
    ]);
    return {
      cert: await Deno.readTextFile(join(folder, `${file}.pem`)),
      key: await Deno.readTextFile(join(folder, `${file}.key`)),
    };
  }
}

async function openssl(cwd: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, cwd }).output();
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

/** Whether this machine can make certificates. */
export async function hasOpenssl(): Promise<boolean> {
  try {
    return (await new Deno.Command("openssl", { args: ["version"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
