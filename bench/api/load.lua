-- Load by wrk: the path as it is, or with a random id behind it; and one line that sums up.
-- Arguments after `--`: how many ids there are, if they are wanted.

local requests = {}

function init(arguments)
   local ids = tonumber(arguments[1])
   for id = 1, ids or 1 do
      requests[id] = wrk.format("GET", ids and wrk.path .. id or wrk.path)
   end
end

function request()
   return requests[math.random(#requests)]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'SUMMARY {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "failed": %d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout
   ))
end
