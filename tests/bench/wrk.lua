-- wrk.lua METHOD CHATS TOKEN TAIL [BODY [KEY]] - what wrk sends in the benchmark, and how it reports.
--
-- Every request goes to /applications/TOKEN/chats/<1..CHATS at random>/messages<TAIL>; a "*" in TAIL
-- stands for a number from 1 to 20 at random, which every chat has. With KEY, every request has an Idempotency-Key,
-- which begins with that. The report is one line of JSON.

local method, chats, token, tail, body, key
local sent = 0

function init(args)
	method, chats, token, tail, body, key = args[1], tonumber(args[2]), args[3], args[4], args[5], args[6]
	math.randomseed(os.time())
	wrk.headers["Content-Type"] = body and "application/json"
end

function request()
	local path = "/applications/" .. token .. "/chats/" .. math.random(chats) .. "/messages" ..
		tail:gsub("*", math.random(20))
	if key then
		sent = sent + 1
		wrk.headers["Idempotency-Key"] = '"' .. key .. sent .. '"'
	end
	return wrk.format(method, path, nil, body)
end

function done(summary, latency)
	local errors = summary.errors
	print(string.format('{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "errors": %d}',
		summary.requests, summary.duration / 1e6,
		latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
		errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end
