#!/bin/sh
# The way to the hub, and the only place where ssh is called (kinit and klist: ticket.sh).
#
# Nothing is ever half there: a chunk and a label file travel under a temporary name, are compared
# by SHA-256 and then renamed. A chunk stays claimed until its labels came in, and a label file goes
# to sent/ only when the hub acknowledged it, so every call can be repeated at any time.
#
# A hub may be malicious or broken: no more is read than it announced, and what it says reaches
# neither terminal nor log with anything in it that moves a terminal.
set -eu
LC_ALL=C
export LC_ALL
unset CDPATH

usage='Usage: ./sync.sh [--data DIR] login | fetch | upload | status | connect

  login    get a Kerberos ticket for the hub, asking for the password if there is none, and try it
  fetch    bring the next chunk of stamps to data/chunks
  upload   send the label files in data/labels/waiting
  status   tell which hub, which ticket, and what is here
  connect  log in, and hold the connection open that the other calls then share (the window does that)

Hub, user and realm are those that ./ArtifactSpy remembers in data/settings.ini, else those of
site.ini. Exit status: 0 done, 2 usage, 3 nothing left to label, 4 cluster unreachable, 5 no ticket
or not allowed, 6 arrived damaged, 7 the hub refused, 130 Ctrl+C, 1 anything else.'

chunk_limit=67108864 votes_limit=4194304 words_limit=65536 # bytes

plain() { # of a text what moves no terminal: no control characters, be they of 7 or of 8 bits
    tr -d '\000-\011\013-\037\177' | sed "s/$c1/?/g; s/^$stray//; s/\\($ascii\\)$stray/\\1?/g"
}
c1=$(printf '\302[\200-\237]') stray=$(printf '[\200-\277]\\{1,\\}') ascii=$(printf '[\001-\177]')

die() { # CODE SENTENCE
    printf '%s\n' "$2" | plain >&2
    exit "$1"
}

# Settings

self=$0
while [ -L "$self" ]; do # the clone, through whatever symbolic links this was called by
    target=$(readlink "$self")
    case $target in
    /*) self=$target ;;
    *) self=$(dirname "$self")/$target ;;
    esac
done
here=$(cd "$(dirname "$self")" && pwd -P)
# shellcheck disable=SC1091
. "$here/ticket.sh"
data=${ARTIFACTSPY_DATA:-$here/data}
if [ "${1:-}" = --data ]; then
    [ $# -ge 2 ] || die 2 "$usage"
    case $2 in
    /*) data=$2 ;;
    *) data=$PWD/$2 ;;
    esac
    [ ! -d "$data" ] || data=$(cd "$data" && pwd -P)
    shift 2
fi
again='the next start sends them, or ./sync.sh upload'
[ "$data" = "$here/data" ] || again="./ArtifactSpy --data '$data' sends them, or ./sync.sh --data '$data' upload"

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
    case $hub in
    ssh://*/*) hub=${hub#ssh://} && hub=${hub%%/*}:/${hub#*/} ;; # as git writes it
    esac
    host='' folder=$hub
    case $hub in
    \[*]:* | *@\[*]:*) # IPv6
        case ${hub%%\[*} in
        */*) ;;
        *) host=${hub%%]:*} folder=${hub#*]:} ;;
        esac
        ;;
    */*:*) ;;
    *:*) host=${hub%%:*} folder=${hub#*:} ;;
    esac
    account=''
    case $host in
    *@*) account=${host%@*} host=${host##*@} ;;
    '') user=${user:-$(id -un)} ;;
    esac
    host=${host#\[}
    case $account in
    '') account=$user ;;
    *[!A-Za-z0-9._-]*) ;; # an account as directories name it, for which the hub has another name
    *) user=${user:-$account} account=$user ;;
    esac
    [ -n "$user" ] || die 2 'Nobody is set to label: say who you are once, with ./ArtifactSpy --user NAME.'
    case $user in
    *[!A-Za-z0-9._-]* | -* | .* | *--*) die 2 "'$user' is no user name: letters, digits, dots, dashes and underscores." ;;
    esac
    if [ -n "$host" ]; then
        case $folder in
        '' | //* | *[!A-Za-z0-9@%+=._/,-]*) die 2 "'$hub' is no hub: it is [user@]host:folder, with letters, digits and @%+=._/,- in the folder; a port belongs into ~/.ssh/config." ;;
        esac
        case $host in
        -* | *[!A-Za-z0-9._:%-]*) die 2 "'$host' is no host name." ;;
        esac
        case $account in
        -* | *[!A-Za-z0-9._@\\-]*) die 2 "'$account' is no account's name." ;;
        esac
        if [ -z "$realm" ]; then
            realm=none
            case $host in
            *:*) ;; # an address has no domain
            *.*[!0-9.]* | *[!0-9.]*.*) realm=$(printf '%s' "${host#*.}" | tr '[:lower:]' '[:upper:]') ;;
            esac
        fi
    fi
    principal=$user@$realm
    launch='' asking=${ARTIFACTSPY_ASK:-no} socket=${ARTIFACTSPY_SOCKET:-}
    [ ! -t 0 ] || asking=yes
    work=${TMPDIR:-/tmp}/artifactspy-$$- # what a kill leaves of it, the program's next start removes
    [ -z "$socket" ] || work=${socket%/*}/
    work=$(mktemp -d "${work}XXXXXXXX" 2>/dev/null) || die 1 'No temporary folder can be made: make room in /tmp, or set TMPDIR to another folder. Nothing is lost.'
    part='' connection='' watch='' private=''
    trap cleanup EXIT
    trap 'die 1 "Interrupted: nothing is lost, and it can be called again."' HUP TERM
    trap 'die 130 "Interrupted: nothing is lost, and it can be called again."' INT
}

cleanup() {
    rm -rf "$work" ${private:+"$private"}
    [ -z "$part" ] || rm -f "$part"
    for process in $connection $watch; do
        kill "$process" 2>/dev/null || :
    done
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

onto_disk() { # FILE|FOLDER: before a file is renamed, so that no power cut leaves an empty one, and after
    sync "$1" 2>/dev/null || sync
}

make_places() { # nobody else's, whatever the umask; but what a hub in a folder writes is others' too
    (umask 077 && mkdir -p "$data/chunks" "$data/labels/waiting" "$data/labels/sent") 2>/dev/null ||
        die 1 "Nothing can be written to $data: make room there or get the right to write."
}

sweep() { # FOLDER: of what a killed process left half written
    for file in "$1"/.*.part; do
        name=${file%.part}
        kill -0 "${name##*.}" 2>/dev/null || rm -f "$file"
    done
}

with_ssh() { # ARGUMENT...; it asks in the terminal
    # LogLevel: what ssh says decides what we say, so greetings must go and errors must not.
    # ControlMaster: a connection that is shared is used where it is open, and none is left behind.
    set -- -o ConnectTimeout=10 -o ServerAliveInterval=15 -o LogLevel=ERROR -o ControlMaster=no -o ControlPersist=no "$@"
    # AFS needs the ticket at the other end too, hence the delegation
    ! needs_ticket || set -- -o GSSAPIAuthentication=yes -o GSSAPIDelegateCredentials=yes "$@"
    # without a terminal nothing may wait for a password or for a yes
    [ "$asking" = yes ] || set -- -o BatchMode=yes "$@"
    # our own connection; else one of the user's, which may have no ticket; else ssh makes one for this call
    if [ -S "$socket" ] || [ -n "$launch" ]; then
        set -- -o ControlPath="$socket" "$@"
    elif needs_ticket; then
        set -- -o ControlPath=none "$@"
    fi
    [ -z "${ARTIFACTSPY_SSH_CONFIG:-}" ] || set -- -F "$ARTIFACTSPY_SSH_CONFIG" "$@"
    # shellcheck disable=SC2086 # nothing, or exec
    $launch ssh "$@"
}

at_hub() { # COMMAND: of a shell over there or, where the hub is a folder of this machine, here
    if [ -n "$host" ]; then
        with_ssh "$account@$host" "$1"
    else
        sh -c "$1"
    fi
}

hear() { # BYTES COMMAND...: passes on so many at most; its status becomes $code, what it complains of goes to $work/said
    limit=$1 full=no
    shift
    rm -f "$work/code"
    {
        { "$@" 2>&1 >&3 3>&- && echo 0 >"$work/code" || echo $? >"$work/code"; } |
            head -c "$words_limit" >"$work/said"
    } 3>&1 | head -c "$limit" || full=yes # where that goes
    code=$(cat "$work/code" 2>/dev/null) || :
    code=${code:-1}
}

ask_hub() { # VERB ARGUMENT...: its answer goes to $answer
    command=$(quote "$folder/hub")
    for word in "$@"; do
        command="$command $(quote "$word")"
    done
    doing=asking
    hear "$words_limit" at_hub "$command" </dev/null >"$work/out"
    # a chatty login shell may have spoken before and after
    answer=$(tr -d '\r' <"$work/out" | sed -n 's/^artifactspy-1 //p' | tail -n 1)
}

# By cat, since scp wants an sftp server that many hosts lack, and writes whatever a hub sends
copy() { # from HUB-FILE LOCAL-FILE BYTES | to HUB-FILE LOCAL-FILE
    doing=copying code=1 full=yes
    : >"$work/said"
    case $1 in
    from) # a login shell may have greeted before
        { hear $(($4 + words_limit)) at_hub "exec cat -- $(quote "$2")" </dev/null >"$3"; } 2>/dev/null || :
        ;;
    to)
        { hear "$words_limit" at_hub "exec sh -c 'exec cat >\"\$1\"' sh $(quote "$2")" <"$3" >/dev/null; } 2>/dev/null || :
        ;;
    esac
}

drop_part() { # HUB-FILE: what a failed copy left, if the hub can still be talked to
    [ "$code" = 255 ] || at_hub "rm -f -- $(quote "$1")" </dev/null >/dev/null 2>&1 || :
}

give_up() { # WHAT-IS-SAFE: ends with the sentence and the exit code of the call that failed
    said=$(tr '\r' '\n' <"$work/said" | plain | sed '/^[[:space:]]*$/d' | tail -n 1 | cut -c 1-500)
    case $doing$code in
    asking3 | asking5 | asking6 | asking7) die "$code" "${said:-The hub refused without a reason. $1}" ;; # ssh has no such codes: the hub has spoken
    esac
    if [ -z "$host" ]; then
        [ -d "$folder" ] || die 4 "The hub's folder $folder is not there. $1"
    elif [ "$code" = 255 ] || [ "$doing" = copying ]; then
        give_up_ssh "$1"
    fi
    case $code in
    126 | 127) die 7 "There is no hub in $folder: correct its name with ./ArtifactSpy --hub, or ask its owner. $1" ;;
    esac
    case $said in
    [A-Z]*.) die 1 "$said" ;; # a sentence of the hub's own
    *) die 1 "The hub did not do it (${said:-no reason given}). $1" ;;
    esac
}

give_up_ssh() { # WHAT-IS-SAFE: ssh's 255 stands for nearly everything, so the text decides
    case $(cat "$work/said") in
    *'IDENTIFICATION HAS CHANGED'* | *'REVOKED HOST KEY'*)
        die 5 "$host shows another host key than before, which its administrators should explain: nobody was let in. $1"
        ;;
    *'Host key verification failed'*)
        die 5 "The host key of $host is not known here yet: look at it and say yes, with ./sync.sh login in a terminal. $1"
        ;;
    *'resolve hostname'* | *'onnection refused'* | *'timed out'* | *'unreachable'* | *'No route'* | *' is down'*)
        die 4 "$host cannot be reached (${said:-no reason given}). $1"
        ;;
    *'ccount has expired'* | *'ccount is locked'* | *'ccount is disabled'*)
        die 5 "The account $account at $host is locked or has expired ($said): ask its administrators. $1"
        ;;
    esac
    # a ticket that ends this very second makes the server hang up without a word
    if [ "$code" = 255 ] && needs_ticket && ! klist -s; then
        die 5 "There is no valid ticket for $principal: ./sync.sh login gets one. $1"
    fi
    case $(cat "$work/said") in
    *'ermission denied ('* | *'Too many authentication failures'*)
        [ "$asking" = yes ] || needs_ticket || said="$said: a password or a code can only be given in a terminal"
        die 5 "$host does not let $account in (${said:-no reason given}). $1"
        ;;
    *'ermission denied'*)
        die 5 "$user may not read or write there (${said:-no reason given}): ask the hub's owner. $1"
        ;;
    *'onnection closed'* | *'onnection reset'* | *'Broken pipe'* | *'lost connection'* | *'not responding'*)
        die 4 "The connection to $host broke (${said:-no reason given}). $1"
        ;;
    esac
    [ "$code" != 255 ] || die 4 "The connection to $host broke (${said:-no reason given}). $1"
}

# What is here

list() { # FILE...: those that exist
    for file in "$@"; do
        [ ! -e "$file" ] || printf '%s\n' "$file"
    done
}

unpack() { # FILE: as much of a chunk as one may be, see archive.py; tells in $work/broken if it was not all
    rm -f "$work/broken"
    { { [ -f "$1" ] && gzip -dc "$1"; } 2>/dev/null || : >"$work/broken"; } | head -c 67108864
}

count_detections() { # how many of those here have no label yet
    echo OBJID >"$work/done" # of an empty file some greps make that nothing is to be counted
    list "$data"/labels/*/"$user"--*.csv | while read -r file; do cut -d , -f 1 "$file"; done >>"$work/done"
    list "$data"/chunks/*.tar.gz | while read -r file; do
        unpack "$file" | tar -tf - 2>/dev/null | sed -n 's|^\(.*/\)\{0,1\}diff\([0-9]*\)\.[A-Za-z.]*$|\2|p'
    done | sort -u | grep -c -v -x -F -f "$work/done" || :
}

# What can be asked for

offline() {
    printf '%s detections are here to be labelled; labels are sent when you can log in.' "$(count_detections)"
}

login() {
    if [ -z "$host" ]; then
        printf '%s is a folder of this machine: no login is needed.\n' "$folder"
        return
    fi
    have_ticket
    # Try it while there is a terminal, in which ssh asks about a host key that it does not know
    doing=asking
    hear "$words_limit" with_ssh "$account@$host" true </dev/null >/dev/null
    [ "$code" = 0 ] || give_up "$(offline)"
}

have_ticket() {
    if needs_ticket && { ! klist -s || { [ "$asking" = yes ] && ! is_forwardable; }; }; then
        get_ticket
    fi
    printf 'Logging in at %s.\n' "$host" >&2
}

hold() { # opens the connection that all calls share, so that whatever the host asks is asked once
    ! with_ssh -O check "$account@$host" </dev/null >/dev/null 2>&1 || return 0 # the user's own will do
    rm -f "$socket"
    launch='exec' code=0 doing=asking
    # -M -N, not ControlPersist: that one leaves the process group, and may outlive the window
    with_ssh -M -N "$account@$host" </dev/null >/dev/null 2>"$work/said" &
    connection=$! launch=''
    while [ ! -S "$socket" ]; do
        sleep 0.1
        if ! kill -0 "$connection" 2>/dev/null; then
            wait "$connection" || code=$?
            connection=''
            give_up "$(offline)"
        fi
    done
}

connect() { # until standard input ends, which it does however the window ends, or the connection breaks
    [ -n "$host" ] || return 0
    [ -n "$socket" ] || die 2 'connect needs the name of a socket in ARTIFACTSPY_SOCKET.'
    if [ -n "${ARTIFACTSPY_QUICK:-}" ] && [ -n "$(list "$data"/chunks/*.tar.gz)" ] &&
        needs_ticket && klist -s && is_forwardable; then
        asking=no # the window opens at once, and finds out by itself whether the host can be reached
        echo open
    elif [ "$asking" = yes ]; then
        have_ticket
    fi
    hold
    echo open
    [ -n "$connection" ] || return 0
    exec 3<&0 # the shell would give a background job none
    {
        read -r _ || :
        kill "$connection"
    } <&3 2>/dev/null &
    watch=$!
    wait "$connection" || :
}

fetch() {
    make_places
    sweep "$data/chunks"
    set --
    for file in "$data"/chunks/*.tar.gz; do
        name=$(basename "$file" .tar.gz)
        case $name in
        *[!A-Za-z0-9._-]* | -*) ;;
        *)
            unpack "$file" >/dev/null
            [ -e "$work/broken" ] || set -- "$@" --have "$name" # a damaged one is asked for again
            ;;
        esac
    done
    [ -z "${ARTIFACTSPY_EXPERT:-}" ] || set -- "$@" --expert
    ask_hub next "$@" --as "$user"
    case $answer in
    nothing) die 3 'Nothing is left to label at the hub for now.' ;;
    chunk*) ;;
    *) give_up 'Nothing is lost.' ;;
    esac
    set -f # the answer is words, not patterns
    # shellcheck disable=SC2086
    set -- $answer
    set +f
    name=${2-} sum=${3-} size=${4-}
    case $#$name in
    4*[!A-Za-z0-9_-]* | 4-* | [!4]*) die 7 "The hub named a chunk '$name', which is no name with a sum and a size; tell its owner. Nothing is lost." ;;
    esac
    case ${#sum}$sum in
    64*[!0-9A-Fa-f]* | [!6]* | 6[!4]*) die 7 "The hub gave no SHA-256 for $name; tell its owner. Nothing is lost." ;;
    esac
    case ${#size}$size in
    ?0* | *[!0-9]* | ??????????* | 0*) size=$((chunk_limit + 1)) ;; # nor does it meet arithmetic
    esac
    [ "$size" -le "$chunk_limit" ] ||
        die 7 "The hub gave $name a size that no chunk has (the most is $chunk_limit bytes); tell its owner. Nothing is lost."
    umask 077
    place=$folder/chunks
    if [ -n "${ARTIFACTSPY_EXPERT:-}" ]; then # what others said of it comes first
        part=$data/chunks/.$name.csv.$$.part
        get "$folder/expert/votes/$name.csv" "$votes_limit"
        trim sed -n "/^OBJID,/,\$p"
        keep "$name.csv"
        case $name in review--*) place=$folder/expert/chunks ;; esac
    fi
    # the window reads off the name how large it will be
    part=$data/chunks/.$name.tar.gz.$size.$$.part
    get "$place/$name.tar.gz" "$size"
    trim tail -c "$size" # a greeting may be before it
    [ "$(sum_of "$part")" = "$sum" ] ||
        die 6 "$name arrived damaged and was thrown away; it stays yours and is fetched again."
    keep "$name.tar.gz"
    printf 'Fetched %s.\n' "$name"
}

get() { # HUB-FILE BYTES: becomes $part
    copy from "$1" "$part" "$2"
    [ "$full" = no ] || die 1 "Nothing can be written to $data/chunks: make room there. Nothing is lost, and the chunk stays yours."
    [ "$code" = 0 ] || [ "$(wc -c <"$part")" -gt "$2" ] || # more than was announced: the sum will tell
        give_up 'Nothing is lost, and the chunk stays yours.'
}

trim() { # COMMAND...: $part becomes what that leaves of it
    { "$@" <"$part" >"$work/trimmed" && cat "$work/trimmed" >"$part"; } ||
        die 1 "Nothing can be written to $data/chunks or $work: make room there. Nothing is lost, and the chunk stays yours."
}

keep() { # NAME: the file that $part becomes
    onto_disk "$part"
    mv -f "$part" "$data/chunks/$1"
    part=''
    onto_disk "$data/chunks"
}

upload() {
    total=0 refused=0 rejected=0 agreement='' clock=''
    make_places
    sweep "$data/labels/waiting"
    for file in "$data"/labels/waiting/*--*.csv; do
        if [ -f "$file" ]; then
            send "$file"
        fi
    done
    if [ "$refused" != 0 ]; then
        die 7 "$refusal It stays in $data/labels/waiting; the other label files are sent."
    elif [ "$rejected" != 0 ]; then
        printf 'The hub has taken in %s labels and set %s rows aside, which its owner finds in rejected/.%s\n' "$total" "$rejected" "$agreement$clock"
    elif [ "$total" = 0 ]; then
        printf 'No labels are waiting to be sent.\n'
    elif [ "$total" = 1 ]; then
        printf 'The hub has taken in 1 label.%s\n' "$agreement$clock"
    else
        printf 'The hub has taken in %s labels.%s\n' "$total" "$agreement$clock"
    fi
}

send() { # FILE
    name=$(basename "$1") person='' there=''
    case $name in
    *[!A-Za-z0-9._-]*)
        refused=$((refused + 1)) refusal="$name is no label file."
        return
        ;;
    esac
    sum=$(sum_of "$1") person=${name%%--*}
    safe="The labels are safe in $data/labels/waiting: $again."
    # The hub may have it, if an answer was lost; else it says which folder only we can write to
    ask_hub receive "$name" "$sum" --as "$person"
    case $answer in
    "send people/$person" | 'send expert') there=$folder/${answer#send }/.$name.$(printf '%.8s' "$sum").part ;;
    '') [ "$code" != 6 ] || there=$folder/incoming/.$name.part ;; # a hub of before
    esac
    if [ -n "$there" ]; then
        copy to "$there" "$1"
        if [ "$code" != 0 ]; then
            drop_part "$there"
            give_up "$safe"
        fi
        ask_hub receive "$name" "$sum" --as "$person"
    fi
    case $answer in
    "received $name "*) ;;
    *)
        case $code in
        2 | 7) # this one only: the others may pass
            refused=$((refused + 1)) refusal=$(tail -n 1 "$work/said" | cut -c 1-500)
            return
            ;;
        esac
        give_up "$safe"
        ;;
    esac
    set -f # the answer is words, not patterns; and what is no number never meets arithmetic
    # shellcheck disable=SC2086
    set -- $answer
    set +f
    case $#${5-}${6-} in
    4) ;;
    6*[!0-9]* | [!6]*) set -- '' '' '' '' ;;
    *) agreement=" Agreement with the expert so far: $5 of $6." ;;
    esac
    case $3$4 in
    '' | *[!0-9]*)
        refused=$((refused + 1)) refusal="The hub's answer to $name makes no sense; tell its owner."
        return
        ;;
    esac
    if [ "$3" = 0 ] && [ "$4" != 0 ]; then
        refused=$((refused + 1)) refusal="The hub $hub knows none of the detections in $name: is it the one that they are from?"
        return
    fi
    total=$((total + $3))
    note=$(tr -cd '\012\040-\176' <"$work/out" | sed -n 's/^artifactspy-note \(.\{1,300\}\).*/\1/p' | tail -n 1)
    [ -z "$note" ] || clock=" $note"
    place=$data/labels/sent/${name%.csv}
    if [ -e "$place.csv" ] && ! cmp -s "$data/labels/waiting/$name" "$place.csv"; then
        place=$place-$(printf '%.8s' "$sum") # nothing is ever replaced by other labels
    fi
    if [ "$4" != 0 ]; then # its chunks are kept, see session/folder.py
        rejected=$((rejected + $4))
        printf '%s\n' "$answer" >"$place.rejected"
    fi
    mv -f "$data/labels/waiting/$name" "$place.csv" 2>/dev/null ||
        [ ! -e "$data/labels/waiting/$name" ] || # another upload was quicker
        die 1 "The hub has the labels of $name, but $data/labels/sent cannot be written to: make room there."
    onto_disk "$data/labels/sent"
}

status() { tell_status | plain; }

tell_status() {
    there=''
    [ -n "$host" ] || [ -x "$folder/hub" ] || there=' (there is no hub)'
    printf 'hub      %s%s\nuser     %s\n' "$hub" "$there" "$user"
    if needs_ticket; then
        if klist -s 2>/dev/null; then
            printf 'ticket   %s, until %s\n' "$principal" "$(ticket_end)"
        else
            printf 'ticket   none for %s: ./sync.sh login gets one\n' "$principal"
        fi
    fi
    printf 'stamps   %s detections to label, in %s chunks\n' "$(count_detections)" "$(list "$data"/chunks/*.tar.gz | wc -l | tr -d ' ')"
    printf 'labels   %s files waiting to be sent, %s sent, %s being written\n' \
        "$(count waiting)" "$(count sent)" "$(count open)"
    printf 'system   %s%s%s\n' "$(uname -srm)" "${host:+, $(ssh -V 2>&1 | head -n 1)}" "$(! needs_ticket || ticket_tools)"
    list "$data"/labels/*/*.torn | sed 's/^/unread   what could not be read of a label file is kept in /'
}

count() { # PLACE: its label files
    list "$data/labels/$1"/*--*.csv | wc -l | tr -d ' '
}

case ${1:-}-$# in
login-1 | fetch-1 | upload-1 | status-1 | connect-1)
    settle_settings
    if needs_ticket; then
        choose_ticket
    fi
    case $1$asking${host:+-remote} in
    fetchyes-remote | uploadyes-remote)
        # by hand: what the host asks, it asks once a call; a socket's path may not be long
        if [ -z "$socket" ] && private=$(mktemp -d "/tmp/artifactspy-$$-XXXXXXXX" 2>/dev/null); then
            socket=$private/ssh
            hold
        fi
        ;;
    esac
    "$1"
    ;;
--help-1 | -h-1 | help-1) printf '%s\n' "$usage" ;;
*)
    [ $# = 0 ] || printf "'%s' is none of the verbs.\n" "$*" >&2
    die 2 "$usage"
    ;;
esac
