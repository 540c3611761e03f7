# bash completion for lifeboat. It starts no program, for node takes longer than a person waits for a tab.
# A test compares the flags with those that "lifeboat VERB --help" shows.

_lifeboat_flags() {
  local each='--help --json --quiet --verbose'
  local threads='--threads --engine'
  case $1 in
    image)
      echo "$each $threads --gpu --output --compress --level --chunk --bwlimit --ionice --priority --kind --finish-by" \
        "--verify --no-sha256 --on-read-error --force --dry-run"
      ;;
    verify) echo "$each $threads --gpu --quick --against --compress" ;;
    restore) echo "$each $threads --gpu --output --confirm --range --salvage --check --shrink-tail --force --compress --dry-run" ;;
    boot)
      echo "$each $threads --to --disk --compress --level --bwlimit --ionice --priority --kind --finish-by --snapshot" \
        "--require-consistent --include-guests --exclude --require-mount --allow-same-disk --no-verify --no-rescue-kit --lockwait --prune-backups --no-notify --dry-run"
      ;;
    prune)
      echo "$each --keep-last --keep-hourly --keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-all --host --dry-run"
      ;;
    report) echo "$each --html --prometheus --source --days --notify" ;;
    bench) echo "$each $threads --gpu --codecs --save" ;;
    list | show | rescue-kit | doctor | gpu | config) echo "$each" ;;
    hook) ;;
    *) echo '--help --version' ;;
  esac
}

_lifeboat_disks() {
  local disk
  for disk in /sys/block/*; do
    case ${disk##*/} in
      loop* | ram* | zram* | dm-* | sr* | fd* | '*') ;;
      *) disk=${disk##*/} && echo "${1-}${disk//!//}" ;;
    esac
  done
}

# The values of a flag; fails where there is nothing to choose from.
_lifeboat_values() {
  case $2 in
    -c | --compress)
      case $1 in
        image) echo 'auto pigz gzip zstd lz4 gpu-lz4 xz bzip2 none' ;;
        boot) echo 'auto pigz gzip zstd lz4 xz' ;;
        *) echo 'auto none' ;;
      esac
      ;;
    --engine)
      case $1 in
        image | verify | restore) echo 'auto native portable gpu' ;;
        *) echo 'auto native portable' ;;
      esac
      ;;
    --priority) echo 'speed balanced ratio' ;;
    --kind) echo 'general database logs' ;;
    --snapshot) echo 'auto lvm btrfs none' ;;
    --on-read-error) echo 'fail zero' ;;
    --ionice) echo '0 1 2 3 4 5 6 7 8' ;;
    --prune-backups) echo 'keep-all=1 keep-last= keep-daily= keep-weekly= keep-monthly= keep-yearly=' ;;
    --disk) _lifeboat_disks /dev/ ;;
    --confirm) _lifeboat_disks ;;
    -l | --level | -p | --threads | --chunk | --bwlimit | --range | --gpu | --codecs | --finish-by | --days | --source | --lockwait | --host | --exclude | --keep-*) ;;
    *) return 1 ;;
  esac
}

_lifeboat() {
  local verbs='image verify restore boot list show prune rescue-kit report doctor bench gpu config hook'
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb='' values i
  COMPREPLY=()
  # bash makes three words of --flag=value.
  if [[ $word == = ]]; then
    word=
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} != -* ]]; then
      verb=${COMP_WORDS[i]}
      break
    fi
  done

  if values=$(_lifeboat_values "$verb" "$before"); then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    [[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace 2>/dev/null
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_lifeboat_flags "$verb")" -- "$word")
  elif [[ -z $verb ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
  elif [[ $verb == config && $before == config ]]; then
    mapfile -t COMPREPLY < <(compgen -W 'check show' -- "$word")
  elif [[ $verb == hook ]]; then
    values='job-init job-start job-end job-abort backup-start backup-end backup-abort log-end pre-stop pre-restart post-restart'
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  elif [[ $before == --to || $before == --require-mount || $verb == @(list|show|prune|rescue-kit) ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$word")
  elif [[ $verb == doctor ]]; then
    :
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
} && complete -F _lifeboat lifeboat
