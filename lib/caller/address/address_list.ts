// A list of addresses and networks, as `allow_addresses` and `trusted_proxies` write them. Whose address is
// looked up is told by client_address.ts.

import { BlockList, isIP } from "node:net";

/** Addresses of which the answer is remembered: to look one up takes longer than all else about it. */
const MAX_KNOWN = 4096;

export class AddressList {
  readonly #list = new BlockList();
  readonly #known = new Map<string, boolean>();

  /** `entries`: addresses and networks, as the schema of the configuration has checked them. */
  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const { address, bits } = networkIn(entry);
      this.#list.addSubnet(address, bits, familyOf(address));
    }
  }

  /** Whether `address` is one of these, an IPv4 address in IPv6's form included; null is never one. */
  has(address: string | null): boolean {
    if (address === null) return false;
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const plain = plainAddress(address);
    const has = plain !== null && this.#list.check(plain, familyOf(plain));
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(address, has);
    return has;
  }
}

/**
 * An address in the one form in which it is compared: IPv4 out of its IPv6 form, no zone, no brackets.
 * null for anything that is no address.
 */
export function plainAddress(address: string): string | null {
  const bare = address.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  switch (isIP(bare)) {
    case 4:
      return bare;
    case 6:
      return plain6(bare);
    default:
      return null;
  }
}

/** IPv6 in its shortest spelling; the IPv4 address where it is one in IPv6's form. */
function plain6(address: string): string {
  // The URL parser writes every spelling the one way.
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const words = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (words === null) return short;
  const [high, low] = [parseInt(words[1], 16), parseInt(words[2], 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** An IPv4 network in IPv6's form is that of the IPv4 addresses in it. */
function networkIn(entry: string): { address: string; bits: number } {
  const [given, bits] = entry.split("/");
  const address = plainAddress(given)!;
  const isMapped = isIP(given) === 6 && isIP(address) === 4;
  const most = isIP(address) === 4 ? 32 : 128;
  if (bits === undefined) return { address, bits: most };
  if (!isMapped) return { address, bits: Number(bits) };
  // Wider than the addresses of IPv4 themselves: what is left of it is all of them, or IPv6.
  return Number(bits) >= 96
    ? { address, bits: Number(bits) - 96 }
    : { address: given, bits: Number(bits) };
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 4 ? "ipv4" : "ipv6";
}
