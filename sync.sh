#!/bin/sh
# The way to the hub, and the only place where kinit, klist, ssh and scp are called.
#
# Nothing is ever half there: a chunk and a label file travel under a temporary name, are compared
# by SHA-256 and then renamed. A chunk stays claimed until its labels came in, and a label file goes
# to sent/ only when the hub acknowledged it, so every call can be repeated at any time.
set -eu
LC_ALL=C
export LC_ALL
unset CDPATH

usage='Usage: ./sync.sh login | fetch | upload | status

  login   get a Kerberos ticket for the hub, asking for the password if there is none
  fetch   bring the next chunk of stamps to data/chunks
  upload  send the label files in data/labels/waiting
  status  tell which hub, which ticket, and what is here

Hub, user and realm are those that ./ArtifactSpy remembers in data/settings.ini, else those of
site.ini. Exit status: 0 done, 2 usage, 3 nothing left to label, 4 cluster unreachable, 5 no ticket
or not allowed, 6 arrived damaged, 7 the hub refused, 1 anything else.'

die() { # CODE SENTENCE
    printf '%s\n' "$2" >&2
    exit "$1"
}

# Settings

here=$(cd "$(dirname "$0")" && pwd)
data=${ARTIFACTSPY_DATA:-$here/data}

setting() { # NAME: from the user's settings, else from the site's
    for file in "$data/settings.ini" "$here/site.ini"; do
        if [ -r "$file" ]; then
            value=$(sed -n "s/^$1[[:space:]]*[=:][[:space:]]*//p" "$file" | sed 's/[[:space:]]*$//' | tail -n 1)
            if [ -n "$value" ]; then
                printf '%s\n' "$value"
                return
            fi
        fi
    done
}

settle_settings() {
    hub=${ARTIFACTSPY_HUB:-$(setting hub)}
    realm=${ARTIFACTSPY_REALM:-$(setting realm)}
    user=${ARTIFACTSPY_USER:-$(setting user)}
    [ -n "$hub" ] || die 2 'No hub is set: name it once with ./ArtifactSpy --hub [user@]host:folder.'
    host='' folder=$hub
    case $hub in
    */*:*) ;;
    *:*) host=${hub%%:*} folder=${hub#*:} ;;
    esac
    case $host in
    *@*) user=${user:-${host%@*}} host=${host##*@} ;;
    '') user=${user:-$(id -un)} ;;
    esac
    [ -n "$user" ] || die 2 'Nobody is set to label: say who you are once, with ./ArtifactSpy --user NAME.'
    case $user in
    *[!A-Za-z0-9._-]*) die 2 "'$user' is no user name: letters, digits, dots, dashes and underscores." ;;
    esac
    if [ -n "$host" ]; then
        # scp versions differ in how they quote a remote name, so none that needs it is let through
        case $folder in
        '' | *[!A-Za-z0-9@%+=._/,-]*) die 2 "The hub's folder '$folder' may hold letters, digits and @%+=._/,- only." ;;
        esac
        case $host in
        -* | *[!A-Za-z0-9.-]*) die 2 "'$host' is no host name." ;;
        esac
        if [ -z "$realm" ]; then
            realm=$(printf '%s' "${host#*.}" | tr '[:lower:]' '[:upper:]')
        fi
    fi
    principal=$user@$realm
    mkdir -p "$data/chunks" "$data/labels/waiting" "$data/labels/sent" ||
        die 1 "Nothing can be written to $data: make room there or get the right to write."
    work=$(mktemp -d) || die 1 'No temporary folder can be made: make room in /tmp. Nothing is lost.'
    part=''
    trap 'rm -rf "$work"; [ -z "$part" ] || rm -f "$part"' EXIT
    trap 'exit 1' HUP INT TERM
}

# Small tools

quote() { # TEXT: as one word of a shell
    printf '%s' "$1" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/'/"
}

sum_of() { # FILE: its SHA-256
    if command -v sha256sum >/dev/null; then
        sha256sum <"$1"
    else
        shasum -a 256 <"$1"
    fi | cut -d ' ' -f 1
}

onto_disk() { # FILE: before it is renamed, so that no power cut leaves an empty one
    sync "$1" 2>/dev/null || sync
}

with_ssh() { # ssh|scp ARGUMENT...
    tool=$1
    shift
    # AFS needs the ticket at the other end too, hence the delegation
    set -- -o GSSAPIAuthentication=yes -o GSSAPIDelegateCredentials=yes \
        -o ConnectTimeout=10 -o ServerAliveInterval=15 "$@"
    [ -t 0 ] || set -- -o BatchMode=yes "$@"
    [ -z "${ARTIFACTSPY_SSH_CONFIG:-}" ] || set -- -F "$ARTIFACTSPY_SSH_CONFIG" "$@"
    "$tool" "$@"
}

ask_hub() { # VERB ARGUMENT...: its answer goes to $answer, what it complains of to $work/said
    command=$(quote "$folder/hub")
    for word in "$@"; do
        command="$command $(quote "$word")"
    done
    code=0
    if [ -n "$host" ]; then
        with_ssh ssh "$user@$host" "$command" <&0 >"$work/out" 2>"$work/said" || code=$?
    else
        sh -c "$command" </dev/null >"$work/out" 2>"$work/said" || code=$?
    fi
    # a chatty login shell may have spoken before and after
    answer=$(tr -d '\r' <"$work/out" | sed -n 's/^artifactspy-1 //p' | tail -n 1)
}

copy() { # from|to HUB-FILE LOCAL-FILE
    code=0
    case ${host:+remote}-$1 in
    remote-from) with_ssh scp -q "$user@$host:$2" "$3" >"$work/out" 2>"$work/said" || code=$? ;;
    remote-to) with_ssh scp -q "$3" "$user@$host:$2" >"$work/out" 2>"$work/said" || code=$? ;;
    -from) cp "$2" "$3" 2>"$work/said" || code=$? ;;
    -to) cp "$3" "$2" 2>"$work/said" || code=$? ;;
    esac
}

give_up() { # WHAT-IS-SAFE: ends with the sentence and the exit code of the call that failed
    said=$(tr -d '\r' <"$work/said" | sed '/^[[:space:]]*$/d' | tail -n 1)
    if [ -n "$host" ]; then
        case $(cat "$work/said") in
        *'Permission denied ('* | *'Host key verification failed'* | *'No Kerberos credentials'*)
            die 5 "$host does not let $principal in (${said:-no reason given}). $1 Log in with ./sync.sh login."
            ;;
        *'onnection refused'* | *'timed out'* | *'resolve hostname'* | *'unreachable'* | *'No route'* | *'onnection closed'* | *'onnection reset'* | *'Broken pipe'*)
            die 4 "$host cannot be reached (${said:-no reason given}). $1"
            ;;
        esac
        [ "$code" != 255 ] || die 4 "$host cannot be reached (${said:-no reason given}). $1"
    elif [ ! -d "$folder" ]; then
        die 4 "The hub's folder $folder is not there. $1"
    fi
    case $code in
    3 | 5 | 6 | 7) die "$code" "$said" ;;
    126 | 127) die 7 "There is no hub in $folder (${said:-hub cannot be run}). $1" ;;
    *) die 1 "The hub could not be asked (${said:-no reason given}). $1" ;;
    esac
}

# What can be asked for

login() {
    if [ -z "$host" ] || [ "$realm" = none ]; then
        return
    fi
    command -v kinit >/dev/null ||
        die 5 'Kerberos is not installed: sudo apt install krb5-user (Debian, Ubuntu), sudo dnf install krb5-workstation (Fedora); macOS has it.'
    choose_ticket
    if klist -s; then
        return
    fi
    [ -t 0 ] || die 5 "There is no ticket for $principal, and no terminal to ask in: run ./sync.sh login. Nothing is lost."
    for attempt in 1 2 3; do
        if kinit -f "$principal"; then # forwardable: without it ssh works and writing to AFS fails
            return
        fi
    done
    die 5 "No ticket for $principal after $attempt tries. What is on this laptop can be labelled; the labels are sent when you can log in."
}

choose_ticket() { # the one people hold for another principal is left alone
    held=$(klist 2>/dev/null | sed -n 's/^ *\(Default \)\{0,1\}[Pp]rincipal: //p' | head -n 1)
    if [ "$held" != "$principal" ]; then
        KRB5CCNAME=FILE:${TMPDIR:-/tmp}/krb5cc_artifactspy_$(id -u)
        export KRB5CCNAME
    fi
}

fetch() {
    set --
    for file in "$data"/chunks/*.tar.gz; do
        name=$(basename "$file" .tar.gz)
        case $name in
        *[!A-Za-z0-9._-]* | -*) ;;
        *) if gzip -t "$file" 2>/dev/null; then # a damaged one is asked for again
            set -- "$@" --have "$name"
        fi ;;
        esac
    done
    ask_hub next "$@" --as "$user"
    case $answer in
    nothing) die 3 'Nothing is left to label at the hub for now.' ;;
    'chunk '*) ;;
    *) give_up 'What is here can be labelled.' ;;
    esac
    set -f # the answer is words, not patterns
    # shellcheck disable=SC2086
    set -- $answer
    set +f
    name=$2 sum=$3
    case $#$name in
    4*[!A-Za-z0-9_-]* | 4-* | [!4]*) die 7 "The hub named a chunk '$name', which is no name; tell its owner. Nothing is lost." ;;
    esac
    part=$data/chunks/.$name.tar.gz.$$.part
    copy from "$folder/chunks/$name.tar.gz" "$part"
    [ "$code" = 0 ] || give_up 'What is here can be labelled, and the chunk stays yours.'
    [ "$(sum_of "$part")" = "$sum" ] ||
        die 6 "$name arrived damaged and was thrown away; it stays yours and is fetched again."
    onto_disk "$part"
    mv -f "$part" "$data/chunks/$name.tar.gz"
    part=''
    printf 'Fetched %s.\n' "$name"
}

upload() {
    total=0 refused=0 rejected=0
    for file in "$data"/labels/waiting/*--*.csv; do
        if [ -f "$file" ]; then
            send "$file"
        fi
    done
    if [ "$refused" != 0 ]; then
        die 7 "$refusal The labels stay in $data/labels/waiting."
    elif [ "$rejected" != 0 ]; then
        printf 'The hub has taken in %s labels and set %s rows aside, which its owner finds in rejected/.\n' "$total" "$rejected"
    elif [ "$total" = 1 ]; then
        printf 'The hub has taken in 1 label.\n'
    else
        printf 'The hub has taken in %s labels.\n' "$total"
    fi
}

send() { # FILE
    name=$(basename "$1")
    case $name in
    *[!A-Za-z0-9._-]*) return ;; # not ours
    esac
    sum=$(sum_of "$1")
    safe="The labels are safe in $data/labels/waiting: the next start sends them, or ./sync.sh upload."
    copy to "$folder/incoming/.$name.part" "$1"
    [ "$code" = 0 ] || give_up "$safe"
    ask_hub receive "$name" "$sum" --as "${name%%--*}"
    case $answer in
    "received $name "*) ;;
    *)
        if [ "$code" = 7 ]; then # this one only: the others may pass
            refused=$((refused + 1)) refusal=$(tail -n 1 "$work/said")
            return
        fi
        give_up "$safe"
        ;;
    esac
    # shellcheck disable=SC2086 # the answer is words
    set -- $answer
    total=$((total + $3))
    if [ "$4" != 0 ]; then # its chunks are kept, see session.py
        rejected=$((rejected + $4))
        printf '%s\n' "$answer" >"$data/labels/sent/${name%.csv}.rejected"
    fi
    mv -f "$data/labels/waiting/$name" "$data/labels/sent/$name"
}

count() { # PATTERN...: how many of these files exist
    set -- "$@"
    if [ -e "$1" ]; then
        printf '%s' $#
    else
        printf 0
    fi
}

status() {
    printf 'hub      %s\nuser     %s\n' "$hub" "$user"
    if [ -n "$host" ] && [ "$realm" != none ]; then
        choose_ticket
        if klist -s 2>/dev/null; then
            printf 'ticket   %s, valid\n' "$principal"
        else
            printf 'ticket   none for %s: ./sync.sh login\n' "$principal"
        fi
    fi
    printf 'chunks   %s here, in %s/chunks\n' "$(count "$data"/chunks/*.tar.gz)" "$data"
    printf 'labels   %s files waiting to be sent, %s sent\n' \
        "$(count "$data"/labels/waiting/*.csv)" "$(count "$data"/labels/sent/*.csv)"
}

case ${1:-}-$# in
login-1 | fetch-1 | upload-1 | status-1)
    settle_settings
    case $1 in
    fetch | upload)
        if [ -n "$host" ] && [ "$realm" != none ]; then
            choose_ticket
        fi
        ;;
    esac
    "$1"
    ;;
--help-1 | -h-1 | help-1) printf '%s\n' "$usage" ;;
*) die 2 "$usage" ;;
esac
