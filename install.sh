#!/bin/sh
# Puts Lifeboat on to a host, and takes it off again. It lies in an unpacked release or in a checkout that is built.
#   ./install.sh --help
#
# A program that runs as root on somebody's host: it looks first, shows everything it would change, and asks. Every file,
# link and directory it makes is in a manifest, and uninstalling removes these and no others. The program lies in a
# directory that bears its version and the sum of its files, PREFIX/lib/lifeboat is a link to it, and all else are links
# into that: an upgrade is one rename, and a run that has begun goes on with the files it began with.
#
# Paths are those of the host; $ROOT stands before each where it is touched.

usage() {
  cat <<'END'
install.sh [options]

Installs Lifeboat, or brings what is installed up to this version. Says what it would change, and asks.

  --prefix DIR    where the program goes (default: /usr/local): DIR/sbin/lifeboat, DIR/lib/lifeboat
  --cron 'SPEC'   save the boot disk at these times, by /etc/cron.d/lifeboat: --cron '30 2 * * *'
  --timer         save it every night, by a systemd timer, which is started at once
  --hook          vzdump calls Lifeboat (/etc/vzdump.conf); a hook that is there goes on being called
  --with-gpu      add the npm package webgpu: 130 MB, needs npm and the network
  --uninstall     remove what was installed; what you changed stays, and so does the history
  --purge         with --uninstall: remove also what you changed, the configuration and the history; never a set
  -n, --dry-run   say what would be done, change nothing
  -y, --yes       do not ask
  --root DIR      the host's tree lies in DIR: for images of hosts and for tests
  -h, --help

The configuration is /etc/lifeboat/config.toml with any prefix. One that you changed is never replaced: a new default
comes beside it as config.toml.new. Later: PREFIX/lib/lifeboat/install.sh --timer, --hook, --uninstall.

Exit status: 0 done   1 failed   11 busy   14 not enough space   64 wrong usage   77 needs root   78 wrong configuration
END
}

main() {
  set -eu
  umask 022
  LC_ALL=C
  PATH=${PATH:-/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  ETC=/etc/lifeboat
  STATE=/var/lib/lifeboat
  MANIFEST=$STATE/install.manifest
  CRON_FILE=/etc/cron.d/lifeboat
  UNITS=/etc/systemd/system
  TIMER_LINK=$UNITS/timers.target.wants/lifeboat.timer
  VZDUMP_CONF=/etc/vzdump.conf
  PREVIOUS_HOOK=$ETC/hooks.d/00-previous

  read_options "$@"
  [ "$(id -u)" = 0 ] || fail 77 'this needs root' 'run it as root'
  take_lock
  WORK=$(mktemp -d)
  PARTIAL=
  trap 'clean_up' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  : >"$WORK/steps"
  : >"$WORK/old"
  [ ! -f "$ROOT$MANIFEST" ] || grep -v '^#' "$ROOT$MANIFEST" >"$WORK/old" || :
  choose_prefix
  if [ "$UNINSTALL" = 1 ]; then uninstall; else install; fi
}

# ---------------------------------------------------------------- what was asked for

read_options() {
  GIVEN_PREFIX='' ROOT='' CRON='' TIMER=0 HOOK=0 GPU=0 UNINSTALL=0 PURGE=0 DRY_RUN=0 YES=0
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix | --cron | --root)
        [ $# -ge 2 ] || usage_error "$1 takes a value"
        take_value "$1" "$2"
        shift
        ;;
      --prefix=* | --cron=* | --root=*) take_value "${1%%=*}" "${1#*=}" ;;
      --timer) TIMER=1 ;;
      --hook) HOOK=1 ;;
      --with-gpu) GPU=1 ;;
      --uninstall) UNINSTALL=1 ;;
      --purge) PURGE=1 ;;
      -n | --dry-run) DRY_RUN=1 ;;
      -y | --yes) YES=1 ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) usage_error "what is \"$1\"?" ;;
    esac
    shift
  done
  [ -z "$CRON" ] || [ "$TIMER" = 0 ] || usage_error '--cron and --timer are two ways to the same: give one of them'
  [ "$PURGE" = 0 ] || [ "$UNINSTALL" = 1 ] || usage_error '--purge goes with --uninstall'
  case $UNINSTALL:$TIMER$HOOK$GPU:$CRON in
    0:* | 1:000:) ;;
    *) usage_error '--uninstall takes --purge, --prefix, --root, --dry-run and --yes only' ;;
  esac
}

take_value() {
  case $1 in
    --prefix) GIVEN_PREFIX=$(plain_path "$1" "$2") || exit $? ;;
    --root)
      [ -d "$2" ] || usage_error "--root \"$2\" is no directory"
      ROOT=$(cd "$2" && pwd -P)
      [ "$ROOT" != / ] || ROOT=
      ;;
    --cron)
      CRON=$2
      check_cron "$2"
      ;;
  esac
}

# These names go into links, units and the manifest, where blanks and quotes would need care at every place.
plain_path() {
  case $2 in
    *[!A-Za-z0-9._/+-]* | */../* | */.. | */./* | */. | *//*) usage_error "$1 \"$2\": letters, digits and ._+- only" ;;
    /?*) printf '%s\n' "${2%/}" ;;
    *) usage_error "$1 \"$2\": takes an absolute path" ;;
  esac
}

check_cron() {
  case $1 in
    *[!-A-Za-z0-9*/,@\ ]* | '') usage_error "--cron \"$1\": five fields, as '30 2 * * *', or @daily" ;;
    @hourly | @daily | @midnight | @weekly | @monthly) return ;;
  esac
  # awk, for the shell would make file names of the asterisks.
  printf '%s\n' "$1" | awk '{ exit NF != 5 || /@/ }' || usage_error "--cron \"$1\": five fields, as '30 2 * * *', or @daily"
}

choose_prefix() {
  installed=$(value_of p)
  PREFIX=${GIVEN_PREFIX:-${installed:-/usr/local}}
  [ -z "$installed" ] || [ "$PREFIX" = "$installed" ] ||
    fail 64 "Lifeboat is installed in \"$installed\", not in \"$PREFIX\"" 'uninstall it first: install.sh --uninstall'
  CURRENT=$PREFIX/lib/lifeboat
  LAUNCHER=$PREFIX/sbin/lifeboat
  OUR_HOOK=$CURRENT/hooks/vzdump-hook
}

# ---------------------------------------------------------------- words, and ways out

say() { printf '%s\n' "$*"; }
note() { printf 'note: %s\n' "$*"; }

# fail STATUS MESSAGE [HINT]
fail() {
  printf 'install.sh: %s\n' "$2" >&2
  [ $# -lt 3 ] || printf '  %s\n' "$3" >&2
  exit "$1"
}

usage_error() { fail 64 "$1" 'install.sh --help shows all options'; }

# One file or directory: all of a host's disks may take minutes, and a share that is away for ever.
flush() { sync "$1" 2>/dev/null || sync; }

clean_up() {
  rm -rf "$WORK"
  [ -z "$PARTIAL" ] || rm -rf "$PARTIAL"
}

# The kernel lets go of it however this ends, and a directory needs no file to be left behind.
take_lock() {
  command -v flock >/dev/null || return 0
  exec 9<"$ROOT/"
  flock -n 9 || fail 11 'another install.sh is at work here' 'wait until it is done'
}

ask() {
  if [ "$DRY_RUN" = 1 ]; then
    say 'Nothing was changed (--dry-run).'
    exit 0
  fi
  [ "$YES" = 0 ] || return 0
  [ -t 0 ] || fail 64 'nobody is there to be asked, and nothing was changed' 'give --yes to do it'
  printf 'Go on? [y/N] '
  answer=
  read -r answer || :
  case $answer in
    y | Y | yes) ;;
    *) fail 1 'stopped, nothing was changed' ;;
  esac
}

# ---------------------------------------------------------------- the manifest
# KIND VALUE PATH a line: d - a directory that was not there, f SUM a file, c SUM the configuration (of the default that
# came), l TARGET a link. And what to know: p - the prefix, t - a tree of the program, h - the line of /etc/vzdump.conf
# that ours replaced, "none" where there was no such line, "file" where there was no such file.

value_of() { awk -v kind="$1" '$1 == kind { sub(/^. [^ ]* /, ""); print; exit }' "$WORK/old"; }
recorded() { awk -v kind="$1" -v path="$2" '$1 == kind && $3 == path { print $2; exit }' "$WORK/old"; }
was_ours() { awk -v path="$1" '$3 == path && $1 ~ /^[fcld]$/ { found = 1 } END { exit !found }' "$WORK/old"; }
record() { printf '%s %s %s\n' "$1" "$2" "$3" >>"$WORK/new"; }
sum_of() { sha256sum "$1" | cut -d ' ' -f 1; }

write_manifest() {
  make_directory "$STATE"
  {
    echo '# What install.sh put on to this host. It removes these, and needs this file for it.'
    sort -u "$1"
  } >"$ROOT$MANIFEST.partial"
  chmod 600 "$ROOT$MANIFEST.partial"
  flush "$ROOT$MANIFEST.partial"
  mv -f "$ROOT$MANIFEST.partial" "$ROOT$MANIFEST"
}

# Records a directory and those above it that are not there yet, or that an earlier installation made.
need_directory() {
  directory=$1
  while [ "$directory" != / ] && [ -n "$directory" ]; do
    [ ! -d "$ROOT$directory" ] || was_ours "$directory" || break
    record d - "$directory"
    directory=${directory%/*}
  done
}

make_directory() {
  [ ! -d "$ROOT$1" ] || return 0
  make_directory "${1%/*}"
  case $1 in
    "$ETC" | "$ETC"/* | "$STATE") mkdir -m 700 "$ROOT$1" ;;
    *) mkdir -m 755 "$ROOT$1" ;;
  esac
}

# ---------------------------------------------------------------- install: look, show, ask, do

install() {
  check_host
  find_tree
  : >"$WORK/new"
  record p - "$PREFIX"
  plan_tree
  plan_link "$LAUNCHER" ../lib/lifeboat/bin/lifeboat
  plan_link "$PREFIX/share/man/man8/lifeboat.8" ../../../lib/lifeboat/docs/lifeboat.8
  plan_link "$PREFIX/share/bash-completion/completions/lifeboat" ../../../lib/lifeboat/hooks/completion.bash
  plan_config
  plan_cron
  plan_timer
  plan_hook
  need_directory "$STATE"
  carry_over
  advise
  sort -u "$WORK/new" >"$WORK/wanted"
  sort -u "$WORK/old" >"$WORK/before"
  if [ ! -s "$WORK/steps" ] && cmp -s "$WORK/wanted" "$WORK/before"; then
    say "Lifeboat $VERSION is installed in $PREFIX: nothing to do."
    exit 0
  fi
  [ -s "$WORK/steps" ] || say "write $MANIFEST anew"
  ask
  # Both, until it is done: what is interrupted can be undone, or done again.
  cat "$WORK/old" "$WORK/new" >"$WORK/both"
  write_manifest "$WORK/both"
  while read -r step arguments; do
    # shellcheck disable=SC2086 # paths without blanks, see plain_path
    "do_$step" $arguments
  done <"$WORK/steps"
  write_manifest "$WORK/new"
  say "Lifeboat $VERSION is installed: $LAUNCHER"
  next_steps
}

# What an earlier installation made and this one has no word about.
carry_over() {
  awk -v tree="$PREFIX/lib/lifeboat-" '
    NR == FNR { planned[$3] = 1; next }
    $1 ~ /^[fld]$/ && !($3 in planned) && index($3, tree) != 1
  ' "$WORK/new" "$WORK/old" >"$WORK/carried"
  while read -r kind value path; do
    if [ -e "$ROOT$path" ] || [ -L "$ROOT$path" ]; then record "$kind" "$value" "$path"; fi
  done <"$WORK/carried"
}

step() { printf '%s\n' "$*" >>"$WORK/steps"; }

check_host() {
  [ "$(uname -s) $(uname -m)" = 'Linux x86_64' ] || fail 1 "this is $(uname -s) $(uname -m); Lifeboat runs on Linux x86_64"
  if [ -e "$ROOT/usr/lib/lifeboat/package.json" ] && [ "$PREFIX" != /usr ]; then
    fail 1 'the Debian package of Lifeboat is installed, which would be in the way' 'apt remove lifeboat'
  fi
  [ "$PREFIX" != /usr ] || fail 64 '--prefix /usr is the Debian package'"'"'s' 'take /usr/local, or install the package'
  node=
  for candidate in "$(command -v node || :)" /usr/bin/node /usr/local/bin/node /usr/bin/nodejs; do
    [ -z "$candidate" ] || [ ! -x "$candidate" ] || { node=$candidate && break; }
  done
  how='apt install nodejs (Debian 13, Proxmox VE 9); that of Debian 12 is older, https://github.com/nodesource has newer ones'
  [ -n "$node" ] || fail 1 'Node.js is not installed; 20.19 or later is needed' "$how"
  found=$("$node" --version 2>/dev/null) || fail 1 "\"$node\" does not run" "$how"
  printf '%s\n' "$found" | awk -F. '{ sub(/^v/, ""); exit !($1 > 20 || ($1 == 20 && $2 >= 19)) }' ||
    fail 1 "\"$node\" is Node.js $found; 20.19 or later is needed" "$how"
}

# Where the program's files are, and that they are all here and whole.
find_tree() {
  here=$(dirname "$(readlink -f -- "$0")")
  if [ -f "$here/SHA256SUMS" ]; then
    TREE=$here
  elif [ -x "$here/scripts/release" ]; then
    [ -e "$here/dist/main.js" ] || fail 1 "\"$here\" is not built" "cd \"$here\" && npm ci && npm run build"
    TREE=$WORK/tree
    "$here/scripts/release" --tree "$TREE" >/dev/null ||
      fail 1 "\"$here\" has not all that is needed" "cd \"$here\" && npm ci"
  else
    fail 64 "\"$here\" has no program to install" 'unpack a release and start install.sh in it'
  fi
  (cd "$TREE" && sha256sum -c SHA256SUMS >/dev/null 2>&1) ||
    fail 1 "\"$TREE\" is not whole: its files are not as SHA256SUMS says" 'unpack the release anew'
  VERSION=$(sed -n 's/^ *"version": *"\([0-9A-Za-z.+-]*\)".*/\1/p' "$TREE/package.json" | head -n 1)
  name=lifeboat-$VERSION-$(sum_of "$TREE/SHA256SUMS" | cut -c 1-12)
  case $(readlink "$ROOT$CURRENT" 2>/dev/null || :) in *-gpu) GPU=1 ;; esac
  [ "$GPU" = 0 ] || name=$name-gpu
  TARGET=$PREFIX/lib/$name
}

plan_tree() {
  [ ! -e "$ROOT$CURRENT" ] || [ -L "$ROOT$CURRENT" ] ||
    fail 1 "\"$ROOT$CURRENT\" is there already, and install.sh did not make it" 'look at it, and move it away'
  need_directory "$PREFIX/lib"
  record t - "$TARGET"
  record l "${TARGET##*/}" "$CURRENT"
  record_tree
  if is_whole "$ROOT$TARGET"; then
    [ "$GPU" = 0 ] || record_gpu
  else
    size=$(du -sk "$TREE" | cut -f 1)
    room=$(df -Pk "$(nearest "$ROOT$TARGET")" | awk 'NR == 2 { print $4 }')
    [ "$GPU" = 0 ] || size=$((size + 150000))
    [ "$room" -gt $((size + 1024)) ] ||
      fail 14 "$TARGET needs $size KiB, there are $room KiB" "free some room in \"$PREFIX\""
    say "copy the program, $((size / 1024 + 1)) MiB, to $TARGET"
    if [ "$GPU" = 1 ]; then
      command -v npm >/dev/null || fail 1 '--with-gpu needs npm' 'apt install npm, or leave --with-gpu out'
      say '  and add the npm package webgpu, 130 MB from the network'
    fi
    step tree
  fi
  if [ "$(readlink "$ROOT$CURRENT" 2>/dev/null)" != "${TARGET##*/}" ]; then
    say "link $CURRENT -> ${TARGET##*/}"
    step link "$CURRENT" "${TARGET##*/}"
  fi
  awk -v now="$TARGET" '$1 == "t" && $3 != now { print $3 }' "$WORK/old" >"$WORK/old-trees"
  while read -r tree; do
    say "remove $tree, once no run uses it"
    step old_tree "$tree"
  done <"$WORK/old-trees"
}

is_whole() {
  [ -f "$1/SHA256SUMS" ] && cmp -s "$1/SHA256SUMS" "$TREE/SHA256SUMS" &&
    (cd "$1" && sha256sum -c SHA256SUMS >/dev/null 2>&1) && { [ "$GPU" = 0 ] || [ -d "$1/node_modules/webgpu" ]; }
}

nearest() {
  path=$1
  while [ ! -d "$path" ]; do path=${path%/*}; done
  printf '%s\n' "${path:-/}"
}

# What a tree will hold, before it is there: a copy that is cut off can be removed.
record_tree() {
  sed "s|^\([0-9a-f]*\)  |f \1 $TARGET/|" "$TREE/SHA256SUMS" >>"$WORK/new"
  record f "$(sum_of "$TREE/SHA256SUMS")" "$TARGET/SHA256SUMS"
  record d - "$TARGET"
  cut -c 67- "$TREE/SHA256SUMS" | awk -v tree="$TARGET" '{
    while (sub(/\/[^\/]*$/, "")) if (!seen[$0]++) print "d - " tree "/" $0
  }' >>"$WORK/new"
}

record_gpu() {
  (cd "$ROOT$TARGET" && find node_modules -type d) | sed "s|^|d - $TARGET/|" >>"$WORK/new"
  (cd "$ROOT$TARGET" && find node_modules -type f -exec sha256sum {} +) |
    sed "s|^\([0-9a-f]*\)  |f \1 $TARGET/|" >>"$WORK/new"
}

do_tree() {
  make_directory "$PREFIX/lib"
  PARTIAL=$ROOT$TARGET.partial
  rm -rf "$PARTIAL"
  mkdir -m 700 "$PARTIAL"
  # Only what the sums cover; owned by root, and read by all, whoever unpacked it and how.
  { cut -c 67- "$TREE/SHA256SUMS" && echo SHA256SUMS; } >"$WORK/files"
  while read -r name; do
    [ -d "$PARTIAL/${name%/*}" ] || [ "$name" = "${name%/*}" ] || mkdir -p "$PARTIAL/${name%/*}"
    cp "$TREE/$name" "$PARTIAL/$name"
  done <"$WORK/files"
  [ "$GPU" = 0 ] || add_gpu
  chown -R 0:0 "$PARTIAL"
  chmod -R u=rwX,go=rX "$PARTIAL"
  is_whole "$PARTIAL" || fail 1 "\"$PARTIAL\" is not as it should be" 'is the disk full, or bad?'
  find "$PARTIAL" >"$WORK/copied"
  tr '\n' '\0' <"$WORK/copied" | xargs -0 sync 2>/dev/null || sync
  rm -rf "$ROOT$TARGET"
  mv -T "$PARTIAL" "$ROOT$TARGET"
  flush "$ROOT${TARGET%/*}"
  PARTIAL=
  [ "$GPU" = 0 ] || record_gpu
}

# In a directory of its own: in the tree npm would add all that the bundle already holds.
add_gpu() {
  mkdir "$WORK/gpu"
  echo '{"private":true}' >"$WORK/gpu/package.json"
  (cd "$WORK/gpu" && npm install --no-audit --no-fund --ignore-scripts --loglevel=error 'webgpu@^0.6.0' </dev/null >&2) ||
    fail 1 'npm could not install webgpu' 'is the network there? leave --with-gpu out to go on without it'
  rm -rf "$WORK/gpu/node_modules/.bin" "$WORK/gpu/node_modules/.package-lock.json"
  cp -R "$WORK/gpu/node_modules/." "$PARTIAL/node_modules/"
}

do_old_tree() {
  rm -rf "$ROOT$1.partial"
  if is_used "$1"; then
    note "$1 stays: a run began with it. The next install.sh removes it"
    awk -v tree="$1" '$3 == tree || index($3, tree "/") == 1' "$WORK/old" >>"$WORK/new"
    return
  fi
  awk -v tree="$1" '($1 == "f" || $1 == "d") && ($3 == tree || index($3, tree "/") == 1)' "$WORK/old" >"$WORK/gone"
  remove_recorded "$WORK/gone"
}

# Whether a process was started from this tree, or is just being started by the launcher.
is_used() {
  # From a file, for a pattern in its arguments would let grep find itself.
  printf '%s\n' "$ROOT$1/" "$ROOT$LAUNCHER" >"$WORK/pattern"
  grep -lsF -f "$WORK/pattern" /proc/[0-9]*/cmdline | grep -v "^/proc/$$/" >"$WORK/users" || :
  [ -s "$WORK/users" ]
}

# plan_link PATH TARGET
plan_link() {
  record l "$2" "$1"
  need_directory "${1%/*}"
  [ "$(readlink "$ROOT$1" 2>/dev/null)" != "$2" ] || return 0
  [ ! -e "$ROOT$1" ] && [ ! -L "$ROOT$1" ] || was_ours "$1" ||
    fail 1 "\"$ROOT$1\" is there already, and install.sh did not make it" 'look at it, and move it away'
  say "link $1 -> $2"
  step link "$1" "$2"
}

do_link() {
  make_directory "${1%/*}"
  rm -f "$ROOT$1.partial"
  ln -s "$2" "$ROOT$1.partial"
  mv -f -T "$ROOT$1.partial" "$ROOT$1"
  flush "$ROOT${1%/*}"
}

# plan_file PATH MODE: the content is in $WORK/content. A file that somebody changed since we put it there stays.
plan_file() {
  sum=$(sum_of "$WORK/content")
  need_directory "${1%/*}"
  if [ -e "$ROOT$1" ] || [ -L "$ROOT$1" ]; then
    now=$(sum_of "$ROOT$1")
    before=$(recorded f "$1")
    if [ "$now" = "$sum" ]; then
      record f "$sum" "$1"
      return 0
    elif [ "$now" != "$before" ]; then
      note "$1 is not as install.sh left it, and stays as it is"
      return 0
    fi
  fi
  record f "$sum" "$1"
  say "write $1"
  mkdir -p "$WORK/staged${1%/*}"
  cp "$WORK/content" "$WORK/staged$1"
  step file "$1" "$2"
}

do_file() {
  make_directory "${1%/*}"
  # A name with a dot: cron reads no such file.
  cp "$WORK/staged$1" "$ROOT$1.partial"
  chmod "$2" "$ROOT$1.partial"
  flush "$ROOT$1.partial"
  mv -f "$ROOT$1.partial" "$ROOT$1"
}

plan_config() {
  config=$ETC/config.toml
  default=$(sum_of "$TREE/hooks/config.toml")
  before=$(recorded c "$config")
  record c "$default" "$config"
  need_directory "$ETC"
  now=
  [ ! -e "$ROOT$config" ] || now=$(sum_of "$ROOT$config")
  if [ -z "$now" ]; then
    say "write $config: all defaults"
    plan_default "$config"
  elif [ "$now" = "$default" ]; then
    :
  elif [ "$now" = "$before" ]; then
    say "replace $config, which you did not change, by the new default"
    plan_default "$config"
  elif [ "$default" != "$before" ]; then
    record f "$default" "$config.new"
    if [ ! -e "$ROOT$config.new" ] || [ "$(sum_of "$ROOT$config.new")" != "$default" ]; then
      say "keep your $config, and write the new default beside it: config.toml.new"
      plan_default "$config.new"
    fi
  fi
}

plan_default() {
  mkdir -p "$WORK/staged$ETC"
  cp "$TREE/hooks/config.toml" "$WORK/staged$1"
  step file "$1" 600
}

at_prefix() { sed "s|/usr/local/sbin/lifeboat|$LAUNCHER|g" "$TREE/hooks/$1"; }

plan_cron() {
  [ -n "$CRON" ] || return 0
  [ ! -e "$ROOT$UNITS/lifeboat.timer" ] || fail 64 "a timer is there: $UNITS/lifeboat.timer" \
    "one of both is enough: systemctl disable --now lifeboat.timer; rm $UNITS/lifeboat.timer"
  at_prefix lifeboat.cron |
    awk -v spec="$CRON" '/ root / { print spec " " substr($0, index($0, "root ")); next } 1' >"$WORK/content"
  plan_file "$CRON_FILE" 644
}

plan_timer() {
  if [ "$TIMER" = 1 ]; then
    [ ! -e "$ROOT$CRON_FILE" ] || fail 64 "a line for cron is there: $CRON_FILE" "one of both is enough: rm $CRON_FILE"
    command -v systemctl >/dev/null || [ -n "$ROOT" ] || fail 1 '--timer needs systemd' "--cron '30 2 * * *' does the same"
  else
    [ -n "$(recorded f "$UNITS/lifeboat.timer")" ] && [ -e "$ROOT$UNITS/lifeboat.timer" ] || return 0
  fi
  steps_before=$(wc -l <"$WORK/steps")
  for unit in lifeboat.service lifeboat.timer; do
    at_prefix $unit >"$WORK/content"
    plan_file "$UNITS/$unit" 644
  done
  # The link is what "systemctl enable" makes, but in the manifest.
  if [ "$TIMER" = 1 ] || [ -L "$ROOT$TIMER_LINK" ]; then
    plan_link "$TIMER_LINK" "$UNITS/lifeboat.timer"
  fi
  [ "$(wc -l <"$WORK/steps")" = "$steps_before" ] || step timer
}

do_timer() {
  has_systemd || return 0
  systemctl daemon-reload
  [ ! -L "$ROOT$TIMER_LINK" ] || systemctl restart lifeboat.timer
}

has_systemd() { [ -z "$ROOT" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }

# ---------------------------------------------------------------- the hook of vzdump

script_lines() { [ ! -f "$ROOT$VZDUMP_CONF" ] || grep '^script[[:space:]]*:' "$ROOT$VZDUMP_CONF" || :; }
path_in() { printf '%s\n' "$1" | sed 's/^script[[:space:]]*:[[:space:]]*//; s/[[:space:]]*$//'; }

plan_hook() {
  [ ! -L "$ROOT$VZDUMP_CONF" ] || [ "$HOOK" = 0 ] ||
    fail 78 "$VZDUMP_CONF is a symbolic link" 'make it a file, or edit it by hand'
  line=$(script_lines)
  old=$(path_in "$line")
  if [ "$HOOK" = 1 ] && [ "$old" = "$OUR_HOOK" ] && [ -z "$(value_of h)" ]; then
    record h - none
  elif [ "$HOOK" = 0 ] || [ "$old" = "$OUR_HOOK" ]; then
    grep '^h ' "$WORK/old" >>"$WORK/new" || :
  else
    plan_new_hook
  fi
}

plan_new_hook() {
  [ "$(printf '%s\n' "$line" | wc -l)" = 1 ] ||
    fail 78 "$VZDUMP_CONF has more than one line \"script:\"" 'leave the one that is wanted'
  if [ -n "$old" ]; then
    check_previous "$old"
    plan_link "$PREVIOUS_HOOK" "$old"
    say "replace in $VZDUMP_CONF: $line"
    say "  by: script: $OUR_HOOK"
    say '  Lifeboat goes on calling the hook that was there, with all that vzdump gives it'
    record h - "$line"
  else
    say "add to $VZDUMP_CONF: script: $OUR_HOOK"
    if [ -e "$ROOT$VZDUMP_CONF" ]; then record h - none; else record h - file; fi
  fi
  step hook
  jobs_with_scripts | while read -r job path; do
    note "job \"$job\" has a hook of its own, $path: vzdump calls that one there, not Lifeboat's"
  done
}

# What vzdump calls is anybody's; what Lifeboat calls must be root's alone, and so must be the way to it.
check_previous() {
  case $1 in
    *[!A-Za-z0-9._/+@-]* | [!/]*)
      fail 78 "the hook in $VZDUMP_CONF has a name that cannot be chained: \"$1\"" 'rename it first'
      ;;
  esac
  if [ ! -f "$ROOT$1" ] || [ ! -x "$ROOT$1" ]; then
    fail 78 "the hook in $VZDUMP_CONF is no program: \"$1\"" "take that line out of $VZDUMP_CONF first"
  fi
  path=$1
  while [ -n "$path" ]; do
    # shellcheck disable=SC2046 # two numbers
    set -- $(stat -L -c '%u %a' "$ROOT$path") "$path"
    case $1:$2 in
      0:*[2367] | 0:*[2367]? | [!0]*:*)
        fail 78 "others than root can write \"$path\", which vzdump calls as root" "chown root: $path; chmod go-w $path"
        ;;
    esac
    path=${path%/*}
  done
}

jobs_with_scripts() {
  [ ! -f "$ROOT/etc/pve/jobs.cfg" ] ||
    awk '/^[a-z]+:/ { job = $2 } /^[ \t]+script[ \t]/ { print job, $2 }' "$ROOT/etc/pve/jobs.cfg"
}

do_hook() {
  if [ -f "$ROOT$VZDUMP_CONF" ]; then copy_conf; else (umask 022 && : >"$ROOT$VZDUMP_CONF.partial"); fi
  if [ -n "$(script_lines)" ]; then
    replace_line "script: $OUR_HOOK"
  else
    [ ! -f "$ROOT$VZDUMP_CONF" ] || awk 1 "$ROOT$VZDUMP_CONF" >"$ROOT$VZDUMP_CONF.partial"
    printf 'script: %s\n' "$OUR_HOOK" >>"$ROOT$VZDUMP_CONF.partial"
  fi
  flush "$ROOT$VZDUMP_CONF.partial"
  mv -f "$ROOT$VZDUMP_CONF.partial" "$ROOT$VZDUMP_CONF"
}

# With its mode and owner, which writing into it leaves as they are.
copy_conf() { cp -p "$ROOT$VZDUMP_CONF" "$ROOT$VZDUMP_CONF.partial"; }

# replace_line LINE: in place of the line "script:"; without LINE that is left out. Through the environment, for awk -v
# would read backslashes.
replace_line() {
  LINE=${1-} awk '/^script[[:space:]]*:/ { if (ENVIRON["LINE"] != "") print ENVIRON["LINE"]; next } 1' "$ROOT$VZDUMP_CONF" \
    >"$ROOT$VZDUMP_CONF.partial"
}

undo_hook() {
  before=$(value_of h)
  [ -n "$before" ] && [ "$(path_in "$(script_lines)")" = "$OUR_HOOK" ] || return 0
  copy_conf
  case $before in
    none | file) replace_line ;;
    *) replace_line "$before" ;;
  esac
  mv -f "$ROOT$VZDUMP_CONF.partial" "$ROOT$VZDUMP_CONF"
  [ "$before" != file ] || [ -s "$ROOT$VZDUMP_CONF" ] || rm -f "$ROOT$VZDUMP_CONF"
}

# ---------------------------------------------------------------- advice

advise() {
  advised=
  find "$ROOT/usr/lib" "$ROOT/lib" -maxdepth 2 -name 'libdeflate.so.0' 2>/dev/null | grep -q . ||
    advised="$advised libdeflate0"
  for pair in partclone.extfs:partclone sqlite3:sqlite3 sgdisk:gdisk; do
    [ -e "$ROOT/usr/sbin/${pair%:*}" ] || [ -e "$ROOT/usr/bin/${pair%:*}" ] || [ -e "$ROOT/sbin/${pair%:*}" ] ||
      advised="$advised ${pair#*:}"
  done
  [ -z "$advised" ] || note "what makes it faster and its sets smaller is not there: apt install$advised"
}

next_steps() {
  say "Next: say where sets go ([boot] to) in $ETC/config.toml, then"
  say '  lifeboat config check; lifeboat doctor; lifeboat boot --dry-run'
}

# ---------------------------------------------------------------- uninstall

uninstall() {
  plan_uninstall
  if [ ! -s "$WORK/removed" ]; then
    say 'Lifeboat is not installed here (there is no manifest of it): nothing to do.'
    exit 0
  fi
  ask
  awk '$1 == "t" { print $3 }' "$WORK/old" >"$WORK/trees"
  while read -r tree; do
    ! is_used "$tree" || fail 11 "lifeboat is running ($(tr '\n' ' ' <"$WORK/users"))" 'wait until it is done'
  done <"$WORK/trees"
  if has_systemd && [ -L "$TIMER_LINK" ]; then systemctl stop lifeboat.timer; fi
  undo_hook
  while read -r tree; do rm -rf "$ROOT$tree.partial"; done <"$WORK/trees"
  remove_recorded "$WORK/removed"
  rm -f "$ROOT$MANIFEST"
  {
    cat "$WORK/old"
    printf 'd - %s\n' "$STATE"
    [ "$PURGE" = 0 ] || printf 'd - %s\n' "$ETC"
  } >"$WORK/directories"
  remove_directories "$WORK/directories"
  if has_systemd; then systemctl daemon-reload; fi
  say 'Lifeboat is uninstalled.'
}

# Shows what goes and what stays; what goes is in $WORK/removed, as lines of the manifest.
plan_uninstall() {
  grep '^[fl] ' "$WORK/old" >"$WORK/removed" || :
  awk '$1 == "c" { print "f", $2, $3 }' "$WORK/old" >>"$WORK/removed"
  if [ "$PURGE" = 1 ]; then
    for path in "$ETC/config.toml" "$ETC/config.toml.new" "$STATE/history.jsonl" "$STATE/history.jsonl.1"; do
      [ ! -f "$ROOT$path" ] || printf 'f any %s\n' "$path" >>"$WORK/removed"
    done
    # What was changed goes too.
    sed -i 's/^f [^ ]* /f any /' "$WORK/removed"
  fi
  [ -s "$WORK/removed" ] || return 0
  say "remove $(grep -c '^f' "$WORK/removed") files of Lifeboat:"
  awk '$1 == "t" { print "  " $3 }' "$WORK/old"
  awk -v tree="$PREFIX/lib/lifeboat-" 'index($3, tree) != 1 { print "  " $3 }' "$WORK/removed" | sort -u
  if [ -n "$(value_of h)" ]; then
    if [ "$(path_in "$(script_lines)")" = "$OUR_HOOK" ]; then
      case $(value_of h) in
        none | file) say "take out of $VZDUMP_CONF: script: $OUR_HOOK" ;;
        *) say "put back into $VZDUMP_CONF: $(value_of h)" ;;
      esac
    else
      note "the line \"script:\" of $VZDUMP_CONF is not Lifeboat's any more, and stays"
    fi
  fi
  jobs_with_scripts | while read -r job path; do
    [ "$path" != "$OUR_HOOK" ] ||
      note "job \"$job\" calls $path, and will fail without it: pvesh set /cluster/backup/$job --delete script"
  done
}

# remove_recorded FILE: removes files that are as they were recorded ("any": as they are), links that lead where they
# led, and directories that are empty.
remove_recorded() {
  awk -v root="$ROOT" '$1 == "f" && $2 != "any" { print $2 "  " root $3 }' "$1" >"$WORK/sums"
  sha256sum -c "$WORK/sums" 2>/dev/null | sed -n 's/: OK$//p' >"$WORK/unchanged" || :
  awk -v root="$ROOT" '$1 == "f" && $2 == "any" { print root $3 }' "$1" >>"$WORK/unchanged"
  while read -r path; do rm -f "$path"; done <"$WORK/unchanged"
  while read -r kind value path; do
    case $kind in
      f) [ ! -e "$ROOT$path" ] || note "$path stays: it was changed" ;;
      l) [ "$(readlink "$ROOT$path" 2>/dev/null)" != "$value" ] || rm -f "$ROOT$path" ;;
    esac
  done <"$1"
  remove_directories "$1"
}

# Inner ones first.
remove_directories() {
  awk '$1 == "d" { print $3 }' "$1" | sort -ru | while read -r path; do
    [ ! -d "$ROOT$path" ] || rmdir "$ROOT$path" 2>/dev/null || note "$path stays: it is not empty"
  done
}

main "$@"
