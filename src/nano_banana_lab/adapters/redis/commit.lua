#!lua
-- Applies the operations of one commit, or none of them.
--
-- KEYS holds one key per operation; ARGV holds the operations one after the other:
--   put     value, ttl, condition, expected
--   delete  condition, expected
--   add     field, amount, floor, ceiling, ttl
--   list    member, score, ttl
--   unlist  member
--   expire  ttl
-- A ttl is in milliseconds; an empty one means none. A condition is absent, present, equals or empty.
--
-- Answers {1, the new amount of each add in turn}, or {0, position, what was found} when a condition does not hold.
--
-- The shebang without flags makes Redis refuse the whole script at the door while it is read-only, out of memory
-- or unable to persist, so that it can never stop halfway through the writes.

local call = redis.call
local WIDTH = { put = 5, delete = 3, add = 6, list = 4, unlist = 2, expire = 2 }

local clock
local function now()
  if not clock then
    local time = call('TIME')
    clock = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return clock
end

-- First judge everything against the state before the commit.

local windows = {}
local at = 1
for position, key in ipairs(KEYS) do
  local kind = ARGV[at]
  if kind == 'put' or kind == 'delete' then
    local offset = kind == 'put' and at + 3 or at + 1
    local condition = ARGV[offset]
    if condition ~= '' then
      local current = call('GET', key)
      local holds = (condition == 'absent' and not current)
        or (condition == 'present' and current)
        or (condition == 'equals' and current == ARGV[offset + 1])
      if not holds then
        return { 0, position - 1, current }
      end
    end
  elseif kind == 'add' then
    local stored = call('HGET', key, ARGV[at + 1])
    local current = tonumber(stored or 0)
    local amount = current + tonumber(ARGV[at + 2])
    if amount < tonumber(ARGV[at + 3]) or amount > tonumber(ARGV[at + 4]) then
      return { 0, position - 1, current }
    end
    local ttl = ARGV[at + 5]
    if ttl ~= '' and not stored and (windows[key] or call('EXISTS', key) == 0) then
      windows[key] = math.max(windows[key] or 0, tonumber(ttl))
    end
  end
  at = at + WIDTH[kind]
end

-- Then apply everything.

local mortal_indexes = {} -- whether an index has entries that expire
local touched = {} -- those of them that this commit changes

local function moments_of(index)
  return 'nbl:x:' .. string.sub(index, 7)
end

local function has_mortals(index)
  if mortal_indexes[index] == nil then
    mortal_indexes[index] = call('EXISTS', moments_of(index)) == 1
  end
  return mortal_indexes[index]
end

local function forget_moment(index, member)
  if has_mortals(index) then
    call('ZREM', moments_of(index), member)
    touched[index] = true
  end
end

local apply = {
  put = function(key, first)
    if ARGV[first + 1] == '' then
      call('SET', key, ARGV[first])
    else
      call('SET', key, ARGV[first], 'PX', ARGV[first + 1])
    end
  end,
  delete = function(key)
    call('DEL', key)
  end,
  add = function(key, first)
    return call('HINCRBY', key, ARGV[first], ARGV[first + 1])
  end,
  list = function(key, first)
    local member, score, ttl = ARGV[first], ARGV[first + 1], ARGV[first + 2]
    if ttl == '' then
      forget_moment(key, member)
    else
      call('ZADD', moments_of(key), now() + tonumber(ttl), member)
      mortal_indexes[key], touched[key] = true, true
    end
    call('ZADD', key, score, member)
  end,
  unlist = function(key, first)
    forget_moment(key, ARGV[first])
    call('ZREM', key, ARGV[first])
  end,
  expire = function(key, first)
    call('PEXPIRE', key, ARGV[first])
  end,
}

local answer = { 1 }
at = 1
for _, key in ipairs(KEYS) do
  local kind = ARGV[at]
  answer[#answer + 1] = apply[kind](key, at + 1)
  at = at + WIDTH[kind]
end

for key, ttl in pairs(windows) do
  call('PEXPIRE', key, ttl)
end

-- An index dies as a whole with its last entry when every entry has a time to live.
-- A hundred dead entries are cleared away at most, so that renewing entries nobody reads cannot pile them up.
for index in pairs(touched) do
  local moments = moments_of(index)
  local due = call('ZRANGE', moments, '-inf', now(), 'BYSCORE', 'LIMIT', 0, 100)
  if #due > 0 then
    call('ZREM', index, unpack(due))
    call('ZREM', moments, unpack(due))
  end
  local mortal = call('ZCARD', moments)
  if mortal > 0 and mortal == call('ZCARD', index) then
    local last = call('ZRANGE', moments, -1, -1, 'WITHSCORES')[2]
    call('PEXPIREAT', index, last)
    call('PEXPIREAT', moments, last)
  else
    call('PERSIST', index)
    call('PERSIST', moments)
  end
end

return answer
