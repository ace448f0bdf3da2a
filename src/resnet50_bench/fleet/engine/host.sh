# What `r50 fleet run` does on a host. Arguments: ACTION FOLDER ..., see each action.
set -u
umask 077
# The limits of the sender's processes, where this runs on the sender itself.
{ ulimit -S -f unlimited; ulimit -S -v unlimited; } 2> /dev/null
action=$1 folder=${2:-$HOME/.cache/r50-fleet}
shift 2
case $folder in
  "~/"*) folder=$HOME/${folder#"~/"} ;;
  /*) ;;
  *) folder=$HOME/$folder ;;
esac

# The line that is read: words NAME=VALUE, of which no value holds a space.
say() { printf 'r50-fleet now=%s %s\n' "$(date +%s)" "$*"; }

give_up() {
  printf '%s\n' "$1" >&2
  say gave-up=1
  exit 9
}

# Sets `engine`: the command that the inventory names, else docker or podman.
choose_engine() {
  engine=$1
  [ -n "$engine" ] || for engine in docker podman; do
    command -v "$engine" > /dev/null && break
  done
  command -v "${engine%% *}" > /dev/null || give_up "there is no ${1:-docker or podman}: install it, or name its command as r50_docker in the inventory"
}

# In the folder of its run, which has its engine.
remove_container() {
  $(cat engine) rm --force --volumes "$1" > /dev/null 2>&1
}

case $action in
  prepare) # PYTHON KEY FREE_KIB: a folder with room, and a Python that is new enough
    mkdir -p "$folder" || give_up "no folder $folder"
    free=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$3" ] || give_up "$folder has $free KiB free, and $3 are needed: make room there, or name another r50_folder in the inventory"
    if [ "$2" != - ]; then
      version=$("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])') || give_up "no Python that runs at $1: name one as r50_python in the inventory"
      "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || give_up "$1 is Python $version, and r50 needs 3.10 or newer: name one as r50_python in the inventory"
    fi
    have=0
    [ -e "$folder/venv-$2/whole" ] && have=1
    say have=$have
    ;;
  install) # PYTHON KEY SHA256 WHEEL EXTRAS: a virtual environment with the wheel
    cd "$folder" || give_up "no folder $folder"
    printf '%s  %s\n' "$3" "$4" | sha256sum -c - > /dev/null || give_up "the wheel did not arrive whole"
    rm -rf "venv-$2"
    "$1" -m venv "venv-$2" || give_up "$1 makes no virtual environment"
    "venv-$2/bin/python" -m pip install --quiet --disable-pip-version-check "./$4$5" || give_up "pip cannot install $4$5"
    : > "venv-$2/whole" || give_up "$folder cannot be written"
    rm -f "$4"
    say installed=1
    ;;
  pull) # ENGINE IMAGE: the image, unless it is there; `image` stands before its name
    choose_engine "$1"
    image=${2#image }
    set -f # its words are parted, and nothing else is done to them
    $engine image inspect "$image" > /dev/null 2>&1 || $engine pull "$image" > /dev/null || give_up "$engine has no image $image, and cannot pull it"
    say pulled=1
    ;;
  run) # NAME SECONDS KEY WORDS ENGINE OPTIONS: one run; the words are lines, of which the first says
    # nothing (Ansible takes a word such as null or 1e3 for a value), and the second is an r50 or an
    # image. KEY is - for an r50 that is there, `image`, or the key of the wheel.
    name=$1 place=$folder/$1 limit=$2 key=$3 lines=$4 asked=$5 options=$6
    container=r50-fleet-$name inside=/tmp/r50-fleet
    set --
    while IFS= read -r word; do
      set -- "$@" "$word"
    done << END
$lines
END
    shift
    command=$1
    shift
    rm -rf "$place"
    mkdir "$place" && cd "$place" || give_up "no folder $place"
    if [ "$key" = image ]; then
      choose_engine "$asked"
      printf '%s\n' "$engine" > engine || give_up "$place cannot be written"
      set -f
      # The label says whose it is, and lets `stop` know its process.
      set -- $engine run --name "$container" --label "r50=$place/runs" $options "$command" "$@" --output "$inside"
      set +f
    else
      [ "$key" = - ] || command=$folder/venv-$key/bin/r50
      set -- "$command" "$@" --output "$place/runs"
    fi
    timeout -k 30 "$limit" "$@" > log 2>&1 < /dev/null &
    child=$!
    printf '%s\n' "$child" > pid || { kill -TERM "$child"; give_up "$place cannot be written"; }
    wait "$child"
    code=$?
    rm -f pid
    if [ -f engine ]; then
      # Through tar it is ours, whoever the engine runs as. A run that was refused has made no folder.
      mkdir runs
      { $engine cp "$container:$inside" - | tar -x -o -f - -C runs --strip-components 1; } 2> copied || [ "$code" -gt 1 ] || cat copied >> log
      remove_container "$container"
      rm -f engine
    fi
    for found in runs/*/record.json; do
      [ -f "$found" ] && mv "$found" record.json
    done
    tail -n 12 log >&2
    if [ -f record.json ]; then
      say "code=$code size=$(wc -c < record.json | tr -d ' ') sha256=$(sha256sum < record.json | cut -d ' ' -f 1)"
    else
      say "code=$code"
    fi
    ;;
  stop) # PREFIX: end what this call started, and take it away
    for place in "$folder/$1"*; do
      [ -d "$place" ] || continue
      pid=$(cat "$place/pid" 2> /dev/null) || pid=
      if [ -n "$pid" ] && tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -qF -- "$place/runs"; then
        kill -TERM "$pid"
        waited=0
        while kill -0 "$pid" 2> /dev/null && [ "$waited" -lt 25 ]; do
          sleep 1
          waited=$((waited + 1))
        done
        kill -KILL "-$pid" 2> /dev/null
      fi
      [ -f "$place/engine" ] && cd "$place" && remove_container "r50-fleet-${place##*/}"
      rm -rf "$place"
    done
    say stopped=1
    ;;
esac
