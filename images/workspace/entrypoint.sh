#!/bin/sh
# Keeps the workspace server of a seat running: a server that dies is started again, and the tmux
# server, with the learner's shell in it, lives on beside it. TERM ends both at once.
#
# The same file runs in a container and in a local sandbox. Settings, by environment:
#   WORKSPACE_DIR     the learner's files (/workspace)
#   WORKSPACE_SERVER  the workspace server (workspace/server.cjs beside this file)
# and what the workspace server itself reads: SEAT, SOCKET_DIR, SEAT_SETTINGS, CLAUDE_API_KEY.
set -u
here=${0%/*}

: "${WORKSPACE_DIR:=/workspace}" "${WORKSPACE_SERVER:=$here/workspace/server.cjs}"
CLARATEACH_TOOLS=$here/tools/node_modules/.bin
# The root of a seat is read-only; the home lies in the one durable place.
HOME=$WORKSPACE_DIR/.home
PATH=$HOME/.local/bin:$CLARATEACH_TOOLS:/usr/local/bin:/usr/bin:/bin
USER=learner LOGNAME=learner SHELL=/bin/bash LANG=C.UTF-8 EDITOR=nano
export WORKSPACE_DIR CLARATEACH_TOOLS HOME PATH USER LOGNAME SHELL LANG EDITOR
# `pip install` writes to ~/.local, as .npmrc has npm do, and nobody is told to update a read-only tool.
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 DISABLE_AUTOUPDATER=1

umask 022
# Only what is missing: a learner's own settings are left alone.
if ! { mkdir -p "$HOME" && cp -Rn "$here/skel/." "$HOME/"; }; then
  echo "The workspace cannot be written: $WORKSPACE_DIR" >&2
fi

cd "$WORKSPACE_DIR" || exit 1

child=
leave() {
  trap '' TERM INT HUP
  if [ -n "$child" ] && kill -TERM "$child" 2>/dev/null; then
    # It says goodbye to those who are connected; a second is enough for that.
    (sleep 1 && kill -KILL "$child") 2>/dev/null &
    wait "$child"
  fi
  exit 0
}
trap leave TERM INT HUP

# Whole seconds since the machine started, in $seconds: no process is started for it, and no clock is set back.
uptime() {
  read -r seconds _ </proc/uptime
  seconds=${seconds%%.*}
}

pause=0
while :; do
  uptime
  began=$seconds
  # A small young generation and heap: a server that only passes bytes on needs no more.
  NODE_COMPILE_CACHE=$here/compile-cache "$CLARATEACH_TOOLS/node" --max-semi-space-size=1 --max-old-space-size=128 --v8-pool-size=1 "$WORKSPACE_SERVER" &
  child=$!
  wait "$child"
  code=$?
  child=
  uptime
  if [ $((seconds - began)) -ge 10 ]; then
    pause=0
  elif [ "$pause" -lt 5 ]; then
    pause=$((pause + 1))
  fi
  echo "The workspace server ended ($code); it starts again in $pause s." >&2
  sleep "$pause" &
  child=$!
  wait "$child"
done
