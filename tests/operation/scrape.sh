#!/usr/bin/env bash
# In a network namespace of its own, process 1 of its process tree: two servers at 10.0.0.5, as the manifest starts one
# and with an address for /metrics, and Prometheus, which knows them by that address alone. Prints what it scraped.
set -euo pipefail
program=$1 tools=$2 prometheus=$3 work=$4
ip link set lo up
ip address add 10.0.0.5/32 dev lo
serve() {
  local port=$1; shift
  env -i "$program" serve --listen "0.0.0.0:$port" --insecure-no-auth --allowed-host kube-airlock.kube-airlock.svc \
    --tools-dir "$tools" --work-dir "$work" "$@" >"$work/$port.audit" 2>"$work/$port.log" &
}
serve 9096
serve 9196 --metrics-listen 0.0.0.0:9197
cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: airlock
    static_configs: [{targets: ["10.0.0.5:9096", "10.0.0.5:9197"]}]
YAML
"$prometheus/prometheus" --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
  --web.listen-address=127.0.0.1:9090 >"$work/prometheus.log" 2>&1 &
query() { "$prometheus/promtool" query instant http://127.0.0.1:9090 "$1"; }
for ((tick = 0; tick < 400; tick++)); do
  if [ "$(query 'sum(up)' 2>/dev/null | sed 's/.*=> \([0-9]*\) .*/\1/')" = 2 ] &&
    query 'sum by (code) (rate(airlock_refusals_total{code="unauthenticated"}[10s]))' | grep -q '=> 0'; then
    query up
    query 'sum by (code) (rate(airlock_refusals_total{code="unauthenticated"}[10s]))'
    exit 0
  fi
  sleep 0.2
done
query up || true
tail -n 20 "$work"/*.log >&2
exit 1
