#!/bin/sh
# Simple AI Gateway {version} for {platform}: this script, the bundled program and the Deno runtime
# in one file. The first start copies program and runtime into a private cache directory; every
# start then becomes the runtime (exec), so that process id and signals are the gateway's own.
# It needs no variable of the environment, and only ls, id, dd, mkdir, mktemp, mv, chmod and rm.
# All its variables begin with gw_, so that none of the caller's is changed for the gateway.

gw_build='{build}'
gw_block={block}
gw_program_blocks={programBlocks}
gw_runtime_size={runtimeSize}

case $0 in
  */*) gw_self=$0 ;;
  *) if [ -f "./$0" ]; then gw_self=./$0; else gw_self=$(command -v -- "$0"); fi ;;
esac

gw_path_was_set=${PATH+yes} gw_path_was=${PATH-}
PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin${PATH:+:$PATH}
gw_uid=$(id -u)

# Whether the paths given exist, belong to this user and can be written by nobody else, and
# whether runtime and program have the sizes they left the build with.
gw_intact() {
  gw_want=$#
  ls -ldn "$@" 2>/dev/null | {
    gw_seen=0
    while read -r gw_mode gw_links gw_owner gw_group gw_size gw_name; do
      [ "$gw_owner" = "$gw_uid" ] || exit 1
      case $gw_mode in
        d????w* | d???????w*) exit 1 ;;
        d*) ;;
        -r-x------*) [ "$gw_size" = "$gw_runtime_size" ] || exit 1 ;;
        -r--------*) [ "$gw_size" = $((gw_program_blocks * gw_block)) ] || exit 1 ;;
        *) exit 1 ;;
      esac
      gw_seen=$((gw_seen + 1))
    done
    [ "$gw_seen" = "$gw_want" ]
  }
}

# Runs in a subshell: a failure leaves no half-written file, and its reason on standard output.
# Files are renamed into place one by one: several first starts at once, or one that mends a
# damaged copy while another runs from it, cannot disturb each other.
gw_install() (
  exec 2>&1
  umask 077
  mkdir -p "$1/$gw_build" || exit 1
  gw_intact "$1" "$1/$gw_build" || { echo "$1 is not this user's alone"; exit 1; }
  gw_new=$(mktemp -d "$1/$gw_build/new.XXXXXX") || exit 1
  trap 'rm -rf "$gw_new"' EXIT
  trap 'exit 1' HUP INT TERM
  dd if="$gw_self" of="$gw_new/main.mjs" bs="$gw_block" skip=1 count="$gw_program_blocks" \
    2>"$gw_new/said" || { cat "$gw_new/said"; exit 1; }
  dd if="$gw_self" of="$gw_new/deno" bs="$gw_block" skip=$((gw_program_blocks + 1)) \
    2>"$gw_new/said" || { cat "$gw_new/said"; exit 1; }
  chmod 400 "$gw_new/main.mjs" && chmod 500 "$gw_new/deno" || exit 1
  gw_intact "$gw_new/main.mjs" "$gw_new/deno" || { echo "$gw_self is incomplete"; exit 1; }
  DENO_DIR=$gw_new "$gw_new/deno" --version >/dev/null || exit 1
  mv -f "$gw_new/main.mjs" "$1/$gw_build/main.mjs" || exit 1
  mv -f "$gw_new/deno" "$1/$gw_build/deno" || exit 1
  # The process in which the runtime reads through a program for the first time keeps 80 MB for that:
  # one that ends at once. What comes of it does not matter to the start.
  (export OTEL_DENO=false; gw_run "$1/$gw_build" --version) </dev/null >/dev/null 2>&1
  # The two builds before this one stay: a gateway that still runs may start workers from its own.
  cd "$1" && ls -t | {
    gw_kept=0
    while read -r gw_name; do
      case $gw_name in *[!0-9a-f]*) continue ;; esac
      gw_kept=$((gw_kept + 1))
      [ "$gw_kept" -le 3 ] || rm -rf "./$gw_name"
    done
  }
)

# Becomes the runtime, with the program of the entry given and the arguments after it.
gw_run() {
  gw_entry=$1
  shift
  # The runtime's own caches, compiled code among them, which makes later starts faster.
  export DENO_DIR="$gw_entry/deno_dir" DENO_NO_UPDATE_CHECK=1 DENO_NO_PACKAGE_JSON=1
  # Telemetry is the runtime's; it is on only where somebody said where it shall go.
  if [ -n "${OTEL_EXPORTER_OTLP_ENDPOINT-}${OTEL_EXPORTER_OTLP_TRACES_ENDPOINT-}${OTEL_EXPORTER_OTLP_METRICS_ENDPOINT-}" ]; then
    export OTEL_DENO="${OTEL_DENO-true}"
  fi
  # The runtime looks for a file in the home directory and stops where that is none (/dev/null).
  [ -d "${HOME-}" ] || export HOME=/
  if [ -n "$gw_path_was_set" ]; then PATH=$gw_path_was; else unset PATH; fi
  exec "$gw_entry/deno" run {flags} "$gw_entry/main.mjs" "$@"
}

# Places for the cache, best first. Empty where a variable is unset or not an absolute path.
case ${XDG_CACHE_HOME-} in /*) gw_xdg=$XDG_CACHE_HOME/{name} ;; *) gw_xdg= ;; esac
case ${HOME-} in /*) gw_home=${HOME%/}/.cache/{name} ;; *) gw_home= ;; esac
case ${TMPDIR-} in /*) gw_tmp=${TMPDIR%/}/{name}-$gw_uid ;; *) gw_tmp= ;; esac

for gw_root in "$gw_xdg" "$gw_home" "$gw_tmp" "/tmp/{name}-$gw_uid" "/var/tmp/{name}-$gw_uid" \
  "/dev/shm/{name}-$gw_uid"; do
  [ -n "$gw_root" ] || continue
  gw_entry=$gw_root/$gw_build
  if gw_intact "$gw_root" "$gw_entry" "$gw_entry/main.mjs" "$gw_entry/deno"; then
    gw_run "$gw_entry" "$@"
  fi
done

gw_reasons=
for gw_root in "$gw_xdg" "$gw_home" "$gw_tmp" "/tmp/{name}-$gw_uid" "/var/tmp/{name}-$gw_uid" \
  "/dev/shm/{name}-$gw_uid"; do
  [ -n "$gw_root" ] || continue
  if gw_reason=$(gw_install "$gw_root"); then
    gw_run "$gw_root/$gw_build" "$@"
  fi
  gw_reasons="$gw_reasons
  $gw_root: ${gw_reason:-cannot be used}"
done

echo "{name}: found no place for its runtime ($((gw_runtime_size / 1000000)) MB); set XDG_CACHE_HOME to a directory that this user can write to and run programs from. Tried:$gw_reasons" >&2
exit 1
