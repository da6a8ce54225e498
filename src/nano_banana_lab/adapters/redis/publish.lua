#!lua
-- Posts events in one channel, and rings the bell.
--
-- KEYS: the channel's stream, and the bell.
-- ARGV: the channel, its time to live in milliseconds, for how long the bell outlives its last id (in milliseconds),
-- how many rings it keeps, where to post ('empty': only in a channel without events, 'begun': only in one with some,
-- 'anywhere'), and then name, data, name, data ...
--
-- Answers the ids of the events; none when it did not post.
--
-- The last ring has the id of the last event that was posted anywhere, so the bell remembers where ids must go on
-- when the clock has gone back or the channel was forgotten. It is kept until the clock is well past that id.
-- Without a bell the stream knows its own last id, behind which Redis would refuse to add.
--
-- The shebang without flags makes Redis refuse the whole script at the door while it is read-only, out of memory
-- or unable to persist, so that it can never stop halfway through the writes.

local call = redis.call
local stream, bell = KEYS[1], KEYS[2]

if ARGV[5] ~= 'anywhere' and (ARGV[5] == 'empty') == (call('EXISTS', stream) == 1) then
  return {}
end

local time = call('TIME')
local milliseconds, number = time[1] * 1000 + math.floor(time[2] / 1000), -1

for _, key in ipairs(KEYS) do
  local last = call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  if last then
    local last_milliseconds, last_number = string.match(last[1], '(%d+)-(%d+)')
    last_milliseconds, last_number = tonumber(last_milliseconds), tonumber(last_number)
    if last_milliseconds > milliseconds then
      milliseconds, number = last_milliseconds, last_number
    elseif last_milliseconds == milliseconds then
      number = math.max(number, last_number)
    end
  end
end

local ids = {}
for at = 6, #ARGV, 2 do
  number = number + 1
  ids[#ids + 1] = string.format('%.0f-%.0f', milliseconds, number)
  call('XADD', stream, ids[#ids], 'name', ARGV[at], 'data', ARGV[at + 1])
end
call('PEXPIRE', stream, ARGV[2])

call('XADD', bell, 'MAXLEN', '~', ARGV[4], ids[#ids], 'channel', ARGV[1])
call('PEXPIREAT', bell, string.format('%.0f', milliseconds + ARGV[3]))

return ids
