// What the server runs in one step. All names carry the same hash tag, so a cluster keeps them in one place;
// the time is the server's, so hosts need not agree on theirs. Every call may be repeated: what a request
// has taken, or given back, is noted under its own name.

/**
 * Takes what a request needs from all its counters, or nothing.
 * KEYS: the request, then for each scope its buckets and its slots.
 * ARGV: the request's id, requests, tokens, 1 where it takes a slot, milliseconds for which the slot and the
 * note are good, then for each scope: requests and tokens a minute, concurrency (-1 for none), milliseconds
 * of each burst, 1 where slots are counted.
 * Returns 1 where it has all, 0 where it is short, 2 where it was ended before; then for each scope
 * milliseconds used of the buckets, slots taken, and which of the three is short (1, 2, 4).
 */
export const RESERVE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local id, requests, tokens = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local slot, slot_ms, note_ms = ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])
local scopes = (#KEYS - 1) / 2
local noted = redis.call('GET', KEYS[1])
local result, short = {}, false
local full = {}
for i = 1, scopes do
  local at = 7 + (i - 1) * 6
  local rpm, tpm, most = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local buckets, slots = KEYS[2 * i], KEYS[2 * i + 1]
  local state = redis.call('HMGET', buckets, 'r', 't')
  local used_r = math.max(0, (tonumber(state[1]) or 0) - now)
  local used_t = math.max(0, (tonumber(state[2]) or 0) - now)
  redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
  local running = redis.call('ZCARD', slots)
  local lack = 0
  if rpm > 0 and requests > 0 and used_r + requests * 60000 / rpm - tonumber(ARGV[at + 3]) > 0.001 then lack = lack + 1 end
  if tpm > 0 and tokens > 0 and used_t + tokens * 60000 / tpm - tonumber(ARGV[at + 4]) > 0.001 then lack = lack + 2 end
  if most >= 0 and slot and running >= most then lack = lack + 4 end
  if lack > 0 then short = true end
  full[i] = { used_r, used_t, running, lack }
end
local verdict = 1
if noted == 'over' then verdict = 2
elseif noted then verdict = 1
elseif short then verdict = 0
else
  for i = 1, scopes do
    local at = 7 + (i - 1) * 6
    local rpm, tpm = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    local buckets, slots = KEYS[2 * i], KEYS[2 * i + 1]
    if rpm > 0 then
      full[i][1] = math.min(full[i][1] + requests * 60000 / rpm, 2 * tonumber(ARGV[at + 3]))
      redis.call('HSET', buckets, 'r', string.format('%.3f', now + full[i][1]))
    end
    if tpm > 0 then
      full[i][2] = math.min(full[i][2] + tokens * 60000 / tpm, 2 * tonumber(ARGV[at + 4]))
      redis.call('HSET', buckets, 't', string.format('%.3f', now + full[i][2]))
    end
    if rpm > 0 or tpm > 0 then
      redis.call('PEXPIRE', buckets, math.ceil(math.max(full[i][1], full[i][2])) + 60000)
    end
    if slot and ARGV[at + 5] == '1' then
      redis.call('ZADD', slots, string.format('%.3f', now + slot_ms), id)
      redis.call('PEXPIRE', slots, slot_ms * 2)
      full[i][3] = full[i][3] + 1
    end
  end
  redis.call('SET', KEYS[1], 'held', 'PX', note_ms)
end
result[1] = verdict
for i = 1, scopes do
  for j = 1, 4 do result[#result + 1] = string.format('%.3f', full[i][j]) end
end
return result
`;

/**
 * The end of requests: their slots are free, and their tokens are set right. Nothing of one for which that was done
 * before. KEYS: for each its note, then for each of its scopes its buckets and its slots.
 * ARGV: milliseconds of the notes, then for each request its id, tokens that it took beside those reserved, the
 * number of its scopes, and for each of these tokens a minute (-1 for none) and milliseconds of their burst.
 * Returns how many had not ended before.
 */
export const SETTLE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local key, at, ended = 1, 2, 0
while at <= #ARGV do
  local id, more, scopes = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local noted = redis.call('GET', KEYS[key])
  redis.call('SET', KEYS[key], 'over', 'PX', ARGV[1])
  if noted == 'held' then ended = ended + 1 end
  key, at = key + 1, at + 3
  for i = 1, scopes do
    local buckets, tpm = KEYS[key], tonumber(ARGV[at])
    redis.call('ZREM', KEYS[key + 1], id)
    if noted == 'held' and tpm > 0 then
      local before = math.max(0, (tonumber(redis.call('HGET', buckets, 't')) or 0) - now)
      local used = math.min(before + more * 60000 / tpm, 2 * tonumber(ARGV[at + 1]))
      redis.call('HSET', buckets, 't', string.format('%.3f', now + used))
      local left = redis.call('PTTL', buckets)
      local needed = math.ceil(math.max(0, used)) + 60000
      if left < needed then redis.call('PEXPIRE', buckets, needed) end
    end
    key, at = key + 2, at + 2
  end
end
return ended
`;

/**
 * Requests that still run: their slots and notes are good for another while.
 * KEYS: for each its note, then its slots. ARGV: milliseconds for slots and notes, then for each request its
 * id and the number of its slots.
 */
export const RENEW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local slot_ms, note_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local key = 1
for at = 3, #ARGV, 2 do
  local note, count = KEYS[key], tonumber(ARGV[at + 1])
  local isOver = redis.call('GET', note) == 'over'
  if not isOver then redis.call('SET', note, 'held', 'PX', note_ms) end
  for i = 1, count do
    local slots = KEYS[key + i]
    if not isOver then
      redis.call('ZADD', slots, string.format('%.3f', now + slot_ms), ARGV[at])
      redis.call('PEXPIRE', slots, slot_ms * 2)
    end
  end
  key = key + 1 + count
end
return 1
`;

/**
 * Who of the hosts is there. What takes memory comes first: behind another write a server without any would
 * let it pass, and this is what tells whether it may be asked again.
 * KEYS: the hosts. ARGV: this one ("" for a look), milliseconds for which it counts.
 * Returns how many are.
 */
export const PRESENT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
  redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]) * 2)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZCARD', KEYS[1])
`;

/**
 * What each host has booked, as sums since the beginning of the period, so that saying it twice changes
 * nothing. KEYS: for each counter its sums. ARGV: this host, then for each counter its own sum and
 * milliseconds since 1970 until which it is kept (0 for ever).
 * Returns for each counter the sums of all other hosts.
 */
export const BOOK = `
local host = ARGV[1]
local others = {}
for i = 1, #KEYS do
  local own, kept = ARGV[2 * i], tonumber(ARGV[2 * i + 1])
  local known = redis.call('HGET', KEYS[i], host)
  local function tokens(sum) return tonumber(string.match(sum or '0', '^[^ ]*')) end
  if own ~= '' and (not known or tokens(own) >= tokens(known)) then
    redis.call('HSET', KEYS[i], host, own)
    if kept > 0 then redis.call('PEXPIREAT', KEYS[i], kept) end
  end
  local found = {}
  local all = redis.call('HGETALL', KEYS[i])
  for j = 1, #all, 2 do
    if all[j] ~= host then found[#found + 1] = all[j + 1] end
  end
  others[i] = found
end
return others
`;

/** How counters stand. KEYS, ARGV and the answer as of RESERVE, with nothing taken. */
export const LOOK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local result = { 1 }
for i = 1, (#KEYS - 1) / 2 do
  local state = redis.call('HMGET', KEYS[2 * i], 'r', 't')
  result[#result + 1] = string.format('%.3f', math.max(0, (tonumber(state[1]) or 0) - now))
  result[#result + 1] = string.format('%.3f', math.max(0, (tonumber(state[2]) or 0) - now))
  result[#result + 1] = redis.call('ZCOUNT', KEYS[2 * i + 1], '(' .. now, '+inf')
  result[#result + 1] = 0
end
return result
`;

/** Notes something for a while. KEYS: its name. ARGV: what, and milliseconds. */
export const REMEMBER = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;

/** What was noted, which is good for another while. KEYS and ARGV as above, without what. */
export const RECALL = `
local noted = redis.call('GET', KEYS[1])
if noted then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return noted
`;

/** Buckets are full again. KEYS: the buckets. */
export const FORGET = `
redis.call('DEL', unpack(KEYS))
return 1
`;
