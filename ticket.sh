# Tickets: a part of sync.sh, and the only place where kinit and klist are called.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # what they are for (host, realm, principal), and whether one may ask, is set there

needs_ticket() { [ -n "$host" ] && [ "$realm" != none ]; }

choose_ticket() { # one that people hold for another principal is left alone: ours goes elsewhere
    command -v klist >/dev/null ||
        die 5 'Kerberos is not installed: sudo apt install krb5-user (Debian, Ubuntu), sudo dnf install krb5-workstation (Fedora), brew install krb5 (macOS). Nothing is lost.'
    ours=${TMPDIR:-/tmp}/krb5cc_artifactspy_$(id -u)_$principal
    held=somebody
    if ! in_the_way "${KRB5CCNAME:-/tmp/krb5cc_$(id -u)}"; then
        held=$(klist 2>/dev/null | sed -n 's/^ *\(Default \)\{0,1\}[Pp]rincipal: //p' | head -n 1)
    fi
    if [ -n "$held" ] && [ "$held" != "$principal" ]; then
        cache=''
        if [ "$held" != somebody ]; then # a collection may hold ours beside it; klist -l would cut its name
            cache=$(klist -A 2>/dev/null | awk -v ours="$principal" '
                / cache: / { cache = $0; sub(/^.* cache: /, "", cache) }
                /^ *(Default p|P)rincipal: / { sub(/^.*rincipal: /, ""); if ($0 == ours) { print cache; exit } }')
        fi
        KRB5CCNAME=${cache:-FILE:$ours}
        export KRB5CCNAME
        ! in_the_way "$KRB5CCNAME" ||
            die 5 "$ours is no file of yours, so no ticket can be kept there: have it removed, or set TMPDIR to another folder. Nothing is lost."
    fi
}

in_the_way() { # CACHE: what is there is no file of ours, so that klist or kinit would hang or fail
    file=${1#FILE:}
    case $file in
    /*) [ -e "$file" ] || [ -L "$file" ] || return 1 ;;
    *) return 1 ;;
    esac
    ! { [ -f "$file" ] && { [ -O "$file" ] || klist -c "$1" >/dev/null 2>&1; }; }
}

is_forwardable() { # without it ssh works and writing to AFS fails
    flags=$(klist -f 2>/dev/null | grep -A 2 "krbtgt/$realm@" | sed -n 's/.*Flags: //p' | head -n 1)
    case $flags in
    '' | *F*) ;; # where klist does not tell, it is taken for granted
    *) return 1 ;;
    esac
}

ticket_end() { # when the ticket ends; MIT's and Heimdal's klist part their columns with two blanks
    klist 2>/dev/null | grep "krbtgt/$realm@" | sed 's/  *krbtgt.*//; s/.*   *//' | tail -n 1
}

ticket_tools() { # which they are: MIT's tell it by -V, Heimdal's, which Macs have, by --version
    { klist -V || :; klist --version || :; } 2>&1 | sed -n 's/^Kerberos.* version/, MIT Kerberos/p; s/^.*(\(Heimdal.*\)).*/, \1/p' | head -n 1
}

get_ticket() {
    [ "$asking" = yes ] || die 5 "There is no valid ticket for $principal, and no terminal to ask for a password in. $(offline)"
    for left in 2 1 0; do
        # MIT's kinit prompts on stdout, Heimdal's on stderr: both must be seen, and stderr be kept
        {
            { kinit -f "$principal" </dev/tty 2>&1 >&3 && echo 0 >"$work/code" || echo 1 >"$work/code"; } |
                tee "$work/said" >&2
        } 3>/dev/tty
        [ "$(cat "$work/code")" != 0 ] || return 0
        said=$(tail -n 1 "$work/said")
        case $said in
        *ncorrect* | *'reauthentication failed'*) ;; # the password, in MIT's and Heimdal's words
        *'annot contact'* | *'annot find KDC'* | *'unable to reach'* | *'annot resolve'* | *'emporarily unavailable'* | *'imed out'*) die 4 "No Kerberos server of $realm can be reached ($said). $(offline)" ;;
        *'assword has expired'* | *'assword expired'*) die 5 "Your password at $realm has expired: change it with kpasswd $principal. $(offline)" ;;
        *'have been revoked'* | *'LOCKED'* | *'entry in '*' has expired'* | *'CLIENT EXPIRED'*) die 5 "Your account at $realm is locked, disabled or expired ($said): ask its administrators. $(offline)" ;;
        *'not found'* | *'NOT_FOUND'* | *'unknown'*) die 5 "$realm knows no $user ($said): say who you are with ./ArtifactSpy --user NAME. $(offline)" ;;
        *) die 5 "Kerberos gives no ticket ($said): is the realm right? $(offline)" ;;
        esac
        [ "$left" = 0 ] || printf 'That password was not right; %s more.\n' "$([ "$left" = 1 ] && echo 'one try' || echo 'two tries')" >&2
    done
    die 5 "That password was not right either. $(offline)"
}
