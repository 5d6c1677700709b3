-- SPDX-License-Identifier: Apache-2.0
-- One batch of writes, atomically. KEYS: the hash of the values, the sorted set of the keys, and
-- the note about the last batch of this program. ARGV: the number of the batch, then four for each
-- write: its kind, with "+" after it when it follows the one before; key; value; expected value.
-- Returns a letter for each: o (done), e (exists), x (conflict), f (skipped).
local values, index, last = KEYS[1], KEYS[2], KEYS[3]
local number = ARGV[1]
local before = redis.call('GET', last)

-- The same batch again: its answer got lost on the way.
if before and string.sub(before, 1, #number + 1) == number .. ' ' then
    return string.sub(before, #number + 2)
end
-- A batch from before that, which was late on the way: newer ones have been carried out.
if before and tonumber(string.match(before, '^%d+')) > tonumber(number) then
    return redis.error_reply('STALE a newer batch was carried out before this one')
end
-- These two end the script, before it writes, if a key is another program's.
if number == '1' then
    redis.call('HLEN', values)
    redis.call('ZCARD', index)
end
local results = {}
local done = true
for i = 2, #ARGV, 4 do
    local kind = string.sub(ARGV[i], 1, 1)
    local follows = string.sub(ARGV[i], 2) == '+'
    local key, value, expected = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    local result = 'o'

    if follows and not done then
        result = 'f'
    elseif kind == 'c' and redis.call('HEXISTS', values, key) == 1 then
        result = 'e'
    elseif (kind == 's' or kind == 'r') and redis.call('HGET', values, key) ~= expected then
        result = 'x'
    elseif kind == 'd' or kind == 'r' then
        if redis.call('HDEL', values, key) == 1 then
            redis.call('ZREM', index, key)
        end
    elseif redis.call('HSET', values, key, value) == 1 then
        redis.call('ZADD', index, 0, key)
    end
    done = result == 'o'
    results[#results + 1] = result
end
local text = table.concat(results)
redis.call('SET', last, number .. ' ' .. text, 'EX', 3600)
return text
