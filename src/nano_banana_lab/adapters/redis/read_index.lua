-- Reads a part of one index, or counts its entries.
--
-- KEYS[1] is the index. ARGV: limit (0 to count), newest first (1 or 0), offset, lowest score, score to stay below
-- (either may be empty), and the score and member of the entry to go on behind (empty for none).
--
-- Answers how many entries there are, or {whether more follow (1 or 0), {member, score, member, score ...}},
-- always lowest first.
-- Every step costs O(log n), so do all positions; nothing is compared with Lua's `<` on text,
-- which follows the server's locale.

local call = redis.call
local index = KEYS[1]
local moments = 'nbl:x:' .. string.sub(index, 7)
local limit, newest_first, offset = tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3])

local function forget_expired()
  local soonest = call('ZRANGE', moments, 0, 0, 'WITHSCORES')[2]
  if not soonest then
    return
  end
  local time = call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if tonumber(soonest) > now then
    return
  end
  repeat
    local due = call('ZRANGE', moments, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)
    if #due > 0 then
      call('ZREM', index, unpack(due))
      call('ZREM', moments, unpack(due))
    end
  until #due < 1000
end

local function comes_before(left, right)
  for at = 1, math.min(#left, #right) do
    local a, b = string.byte(left, at), string.byte(right, at)
    if a ~= b then
      return a < b
    end
  end
  return #left < #right
end

-- How many entries come before this one, and how many do up to and including it, whether or not it is listed.
local function places_around(score, member)
  local listed_at = call('ZSCORE', index, member)
  if listed_at and tonumber(listed_at) == tonumber(score) then
    local rank = call('ZRANK', index, member)
    return rank, rank + 1
  end
  local low = call('ZCOUNT', index, '-inf', '(' .. score)
  local high = low + call('ZCOUNT', index, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if comes_before(call('ZRANGE', index, middle, middle)[1], member) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low, low
end

forget_expired()

-- The entries wanted have ranks first <= rank < last.
local first = ARGV[4] == '' and 0 or call('ZCOUNT', index, '-inf', '(' .. ARGV[4])
local last = ARGV[5] == '' and call('ZCARD', index) or call('ZCOUNT', index, '-inf', '(' .. ARGV[5])
if limit == 0 then
  return math.max(0, last - first)
end

if ARGV[7] ~= '' then
  local before, through = places_around(ARGV[6], ARGV[7])
  if newest_first then
    last = math.min(last, before)
  else
    first = math.max(first, through)
  end
end

local from, to
if newest_first then
  to = last - offset
  from = math.max(first, to - limit)
else
  from = first + offset
  to = math.min(last, from + limit)
end
if to <= from then
  return { 0, {} }
end
local more = newest_first and from > first or not newest_first and to < last
return { more and 1 or 0, call('ZRANGE', index, from, to - 1, 'WITHSCORES') }
