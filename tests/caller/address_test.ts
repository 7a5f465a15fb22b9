// Whose request it is, and whether an address is on a list.

import assert from "node:assert/strict";
import { AddressList } from "../../lib/caller/address/address_list.ts";
import { originOf } from "../../lib/caller/address/client_address.ts";
import type { HeaderList } from "../../lib/http/message.ts";

const PROXIES = new AddressList(["127.0.0.1", "10.0.0.0/8", "fd00::/8"]);

function addressOf(peer: string, ...headers: HeaderList): string | null {
  return originOf(peer, headers, PROXIES).address;
}

const xff = (value: string) => ["x-forwarded-for", value] as const;
const forwarded = (value: string) => ["forwarded", value] as const;

Deno.test("access 10: X-Forwarded-For of one who is no trusted proxy is not believed", () => {
  assert.equal(addressOf("192.0.2.1", xff("10.0.0.9")), "192.0.2.1");
  assert.equal(addressOf("192.0.2.1", forwarded("for=127.0.0.1")), "192.0.2.1");
  assert.equal(originOf("10.0.0.1", [xff("192.0.2.1")], null).address, "10.0.0.1");
});

Deno.test("access 10: the rightmost address that is no trusted proxy is the client's", () => {
  assert.equal(addressOf("127.0.0.1", xff("192.0.2.7")), "192.0.2.7");
  assert.equal(addressOf("127.0.0.1", xff("127.0.0.1, 192.0.2.7")), "192.0.2.7");
  assert.equal(addressOf("127.0.0.1", xff("198.51.100.1, 192.0.2.7, 10.1.2.3")), "192.0.2.7");
  assert.equal(addressOf("127.0.0.1", xff("127.0.0.1"), xff("192.0.2.7, 10.1.2.3")), "192.0.2.7");
});

Deno.test("access 10: where all are trusted proxies the first is the client", () => {
  assert.equal(addressOf("127.0.0.1", xff("10.0.0.3, 10.0.0.4")), "10.0.0.3");
  assert.equal(addressOf("127.0.0.1"), "127.0.0.1");
});

Deno.test("access 10: IPv4 in IPv6's form is the IPv4 address, however it is spelt", () => {
  const list = new AddressList(["192.0.2.0/24", "::ffff:198.51.100.0/120"]);
  for (
    const address of [
      "192.0.2.9",
      "::ffff:192.0.2.9",
      "::FFFF:c000:209",
      "0:0:0:0:0:ffff:c000:0209",
    ]
  ) {
    assert.ok(list.has(address), address);
  }
  assert.ok(list.has("198.51.100.77"));
  assert.ok(list.has("::ffff:198.51.100.77"));
  assert.ok(!list.has("198.51.101.77"));
  assert.ok(!list.has("::c000:209"));
  assert.equal(addressOf("::ffff:127.0.0.1", xff("192.0.2.7")), "192.0.2.7");
  assert.equal(addressOf("::ffff:10.1.1.1", xff("::ffff:192.0.2.7")), "192.0.2.7");
});

Deno.test("access 10: ports, brackets and quotes in what a proxy writes are no part of the address", () => {
  assert.equal(addressOf("127.0.0.1", xff("192.0.2.7:50123")), "192.0.2.7");
  assert.equal(addressOf("127.0.0.1", xff("[2001:db8::7]:443")), "2001:db8::7");
  assert.equal(addressOf("127.0.0.1", xff(' "2001:db8::7" ')), "2001:db8::7");
  assert.equal(addressOf("127.0.0.1", xff("2001:db8::7")), "2001:db8::7");
  assert.equal(addressOf("fd00::1", xff("192.0.2.7, [fd00::2]:1")), "192.0.2.7");
});

Deno.test("access 10: an entry that is no address ends the trust, and the client is unknown", () => {
  const junk = [
    "unknown",
    "_hidden",
    "",
    "1.2.3",
    "300.1.1.1",
    "localhost",
    "1.2.3.4; drop",
    "::g",
  ];
  for (const entry of junk) {
    const peer = originOf("127.0.0.1", [xff(entry)], PROXIES);
    assert.deepEqual(peer, { address: null, isForwarded: true }, entry);
    assert.equal(addressOf("127.0.0.1", xff(`192.0.2.7, ${entry}`)), null, entry);
    // What stands left of the client was written by it, and is not even read.
    assert.equal(addressOf("127.0.0.1", xff(`${entry}, 192.0.2.7`)), "192.0.2.7", entry);
  }
});

Deno.test("access 10: Forwarded is read by RFC 7239", () => {
  assert.equal(addressOf("127.0.0.1", forwarded("for=192.0.2.7")), "192.0.2.7");
  assert.equal(
    addressOf("127.0.0.1", forwarded('proto=https; For="[2001:db8::7]:4711";by=10.0.0.1')),
    "2001:db8::7",
  );
  assert.equal(
    addressOf("127.0.0.1", forwarded("for=127.0.0.1, for=192.0.2.7, for=10.0.0.9")),
    "192.0.2.7",
  );
  assert.equal(
    addressOf("127.0.0.1", forwarded('for="_a,for=127.0.0.1", for=192.0.2.7')),
    "192.0.2.7",
  );
  assert.equal(addressOf("127.0.0.1", forwarded("for=unknown")), null);
  assert.equal(addressOf("127.0.0.1", forwarded("proto=https")), null);
});

Deno.test("access 10: another host's word about a loopback address makes nobody a user of this one", () => {
  assert.equal(addressOf("10.0.0.2", xff("127.0.0.1")), null);
  assert.equal(addressOf("10.0.0.2", xff("::1")), null);
  assert.equal(addressOf("127.0.0.1", xff("127.0.0.1, 10.0.0.2")), null);
  assert.equal(addressOf("127.0.0.1", xff("127.0.0.1")), "127.0.0.1");
  assert.equal(addressOf("127.0.0.1", xff("10.0.0.2, 127.0.0.1")), "10.0.0.2");
});

Deno.test("access 10: a field that the proxy passes on from the client forges nothing", () => {
  // The proxy writes one of the two and passes the other through as the client sent it.
  assert.equal(addressOf("127.0.0.1", xff("192.0.2.7"), forwarded("for=127.0.0.1")), null);
  assert.equal(addressOf("127.0.0.1", xff("127.0.0.1"), forwarded("for=192.0.2.7")), null);
  assert.equal(addressOf("127.0.0.1", xff("192.0.2.7"), forwarded("for=192.0.2.7")), "192.0.2.7");
  const spelt = [xff("2001:DB8:0::7"), forwarded('for="[2001:db8::0:7]"')];
  assert.equal(addressOf("127.0.0.1", ...spelt), "2001:db8::7");
});

Deno.test("access 10: without an address there is nothing that a list could have", () => {
  const everyone = new AddressList(["0.0.0.0/0", "::/0"]);
  assert.ok(everyone.has("192.0.2.1"));
  assert.ok(everyone.has("2001:db8::1"));
  assert.ok(!everyone.has(null));
  assert.ok(!everyone.has(""));
  assert.equal(addressOf(""), null);
});
