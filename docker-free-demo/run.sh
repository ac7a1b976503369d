#!/usr/bin/env bash
# Builds Gantry, starts it, runs two containers, prints where to look. `run.sh stop` takes everything away.
set -euo pipefail
cd "$(dirname "$0")/.."

state=${GANTRY_DEMO_DIR:-/var/tmp/gantry-demo}
listen=${GANTRY_DEMO_LISTEN:-127.0.0.1:7070}
port=${GANTRY_DEMO_PORT:-8080}
name=${GANTRY_DEMO_NAME:-gantrydemo}
export GANTRY_HOST=unix://$state/run/gantry.sock

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; [ -z "${2:-}" ] || say "hint: $2"; exit 1; }

binary() { printf '%s' "${GANTRY_DEMO_BINARY:-${CARGO_TARGET_DIR:-target}/release/gantry}"; }

install_missing() {
  local missing=()
  command -v cc >/dev/null || missing+=(gcc)
  command -v npm >/dev/null || missing+=(npm)
  [ -n "$(static_busybox)" ] || missing+=(busybox)
  if ((${#missing[@]})); then
    say "Installing ${missing[*]} …"
    if command -v apt-get >/dev/null; then
      apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]/#busybox/busybox-static}" libc6-dev >/dev/null
    elif command -v dnf >/dev/null; then
      dnf install -y -q "${missing[@]/#npm/nodejs-npm}"
    elif command -v pacman >/dev/null; then
      pacman -S --needed --noconfirm --quiet "${missing[@]}" >/dev/null
    else
      fail "no package manager that this script knows" "install ${missing[*]} yourself and run it again"
    fi
  fi
  [ -x "$(command -v cargo)" ] || fail "Rust is not installed" "get it from https://rustup.rs, then run this again"
}

# A busybox that needs no libraries.
static_busybox() {
  local candidate
  for candidate in /bin/busybox /usr/bin/busybox /sbin/busybox; do
    if [ -x "$candidate" ] && ! LC_ALL=C ldd "$candidate" 2>/dev/null | grep -q '=>'; then printf '%s' "$candidate"; return; fi
  done
}

start_server() {
  mkdir -p "$state"
  "$(binary)" serve --listen "$listen" --data-dir "$state/data" --run-dir "$state/run" --bridge "${name}0" --nft-table "$name" --cgroup-parent "/$name" \
    >"$state/said" 2>"$state/log" &
  printf '%s' $! >"$state/pid"
  local pid=$!
  # The server prints its address once it listens.
  until grep -q ' is at ' "$state/said"; do
    kill -0 "$pid" 2>/dev/null || { cat "$state/log" >&2; fail "the server did not start"; }
    sleep 0.1
  done
}

make_image() {
  local root=$state/root
  mkdir -p "$root"/{bin,etc,tmp,www}
  cp "$(static_busybox)" "$root/bin/busybox"
  local applet
  for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
  done
  chmod 1777 "$root/tmp"
  printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  printf '<!doctype html><title>Gantry</title><h1>Hello from a container</h1>\n' >"$root/www/index.html"
  tar -C "$root" -cf - . | "$(binary)" import --change 'CMD ["sh"]' - demo/base >/dev/null
  rm -rf "$root"
}

stop() {
  trap - EXIT INT TERM
  if [ -S "$state/run/gantry.sock" ]; then
    "$(binary)" rm -f -v web worker >/dev/null 2>&1 || true
    local others
    others=$("$(binary)" ps -aq 2>/dev/null || true)
    # shellcheck disable=SC2086
    [ -z "$others" ] || "$(binary)" rm -f -v $others >/dev/null 2>&1 || true
  fi
  if [ -f "$state/pid" ]; then
    local pid
    pid=$(cat "$state/pid")
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  fi
  rm -rf "$state"
  say "Stopped; nothing is left."
}

[ "$(id -u)" = 0 ] || fail "containers need root" "run: sudo $0"
if [ "${1:-}" = stop ]; then stop; exit 0; fi
[ ! -e "$state/pid" ] || fail "the demo runs already, or was cut off" "run: $0 stop"

if [ -z "${GANTRY_DEMO_BINARY:-}" ]; then
  install_missing
  say "Building Gantry (a few minutes the first time) …"
  cargo build --release --quiet --bin gantry
fi
trap stop EXIT INT TERM
start_server
make_image
"$(binary)" run -d --name web -p "$port:80" --memory 64m demo/base httpd -f -h /www >/dev/null
"$(binary)" run -d --name worker demo/base sh -c 'while :; do date; sleep 5; done' >/dev/null
cat "$state/said"
printf 'The web container answers at http://127.0.0.1:%s/\n' "$port"
if [ -n "${GANTRY_DEMO_DETACH:-}" ]; then trap - EXIT INT TERM; exit 0; fi
say "Ctrl-C stops everything."
wait "$(cat "$state/pid")"
