-- Prints one machine-readable line at the end. With a first argument above 1, sends that many requests
-- per write; with a second above 1, every so manieth request over all connections is the last of its
-- own. A static request (no function named request) keeps wrk's fast path.
function init(args)
  local depth = tonumber(args[1]) or 1
  if depth > 1 then
    local batch = string.rep(wrk.format(), depth)
    request = function() return batch end
  end
  local last = tonumber(args[2]) or 0
  if last > 1 then
    local plain, sent = wrk.format(), 0
    wrk.headers["Connection"] = "close"
    local closing = wrk.format()
    request = function()
      sent = sent + 1
      return sent % last == 0 and closing or plain
    end
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    "weir-bench-result requests=%d bytes=%d elapsed_us=%d p50_us=%d p99_us=%d " ..
    "connect=%d read=%d write=%d timeout=%d status=%d\n",
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.timeout, e.status))
end
