#!/bin/bash
# A pipeline of jq, sort and awk over JSON: errors per service.
set -euo pipefail

cat > /tmp/events.json <<'EVENTS'
{"service": "api", "status": 200, "ms": 12}
{"service": "api", "status": 500, "ms": 40}
{"service": "web", "status": 200, "ms": 3}
{"service": "web", "status": 502, "ms": 90}
{"service": "api", "status": 503, "ms": 71}
EVENTS

jq -r '[.service, (.status >= 500), .ms] | @tsv' /tmp/events.json | sort |
  awk -F'\t' '{n[$1]++; ms[$1] += $3; if ($2 == "true") bad[$1]++}
    END {for (s in n) printf "%s: %d requests, %d errors, %.1f ms mean\n", s, n[s], bad[s], ms[s] / n[s]}' | sort
