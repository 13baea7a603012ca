"""The hub's commands: ``python3 -m cluster VERB HUB ...``, or ``HUB/hub VERB ...``.

This file and ``__init__.py`` are written so that every Python down to 2.7 can parse them: a login
node's old interpreter answers with a sentence instead of a syntax error.
"""

import sys

if sys.version_info < (3, 9):  # noqa: UP036 (this line is what older ones are here for)
    sys.stderr.write(
        "The hub needs Python 3.9 or newer and this is "
        + ".".join(str(part) for part in sys.version_info[:3])
        + ": nothing was changed. Name a newer one in the file HUB/hub, or call it directly.\n"
    )
    sys.exit(1)

import argparse
import importlib
import os
import signal

VERBS = (
    # verb, module, function, what it does, an example of what follows HUB
    ("init", "hub", "init", "make a folder a hub, or repair one", ""),
    ("add", "add", "add", "cut stamps into chunks", "night1.tar.gz --metadata night1.csv"),
    ("import", "earlier", "take_over", "take over the tables of earlier versions", "results/*.csv"),
    ("next", "handout", "hand_out", "give the next chunk to whoever asks", "--have NAME"),
    (
        "receive",
        "receive",
        "receive",
        "take in a label file that lies in HUB/incoming as .FILE.part",
        "alice--2026-11-22_13-08-00.csv SHA256",
    ),
    ("collect", "receive", "collect", "write HUB/labels.csv from all that was received", ""),
    ("status", "report", "status", "tell how far the chunks and the people are", ""),
    (
        "report",
        "report",
        "report",
        "tell how good labels and labelers are",
        "--html r.html",
    ),
    ("consensus", "agreement", "write", "write what the labels amount to", "--method majority"),
    ("export", "export", "export", "write a training set", "--size 51"),
    ("check", "hub", "check", "look for whatever is not as it should be", ""),
)


def _from_caller(path):
    """Read a path as seen from where HUB/hub was called, which moves to the clone first."""
    return os.path.join(os.environ.get("ARTIFACTSPY_CALLED_FROM", ""), path)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python3 -m cluster",
        description="The hub: a shared folder that cuts stamps into chunks, hands them out and "
        "takes labels in.",
        epilog="After init, 'HUB/hub VERB' is short for 'python3 -m cluster VERB HUB'.",
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    commands = {}
    for verb, module, function, text, example in VERBS:
        command = commands[verb] = verbs.add_parser(
            verb,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=" ".join(("Example: python3 -m cluster", verb, "/data/hub", example)).strip(),
            allow_abbrev=False,
        )
        command.add_argument("folder", metavar="HUB", type=os.path.abspath, help="the hub's folder")
        command.set_defaults(module=module, function=function)
    add, following, receive = commands["add"], commands["next"], commands["receive"]
    add.add_argument(
        "sources",
        metavar="STAMPS",
        nargs="+",
        type=_from_caller,
        help="a tar.gz of stamps, or a folder that holds some at any depth",
    )
    tables = add.add_mutually_exclusive_group()
    tables.add_argument(
        "--metadata", metavar="CSV", type=_from_caller, help="a table with an OBJID column"
    )
    tables.add_argument(
        "--lightcurves",
        metavar="DIR",
        type=_from_caller,
        help="a folder of SNANA light curves, whose OBS lines are the table",
    )
    add.add_argument("--stamp", help="the drop's name (the time, if not given)")
    add.add_argument(
        "--min-score",
        metavar="S",
        type=float,
        help="leave out detections whose PHOTPROB is below S (0.8 is usual for DES)",
    )
    add.add_argument(
        "--order",
        choices=("random", "uncertain"),
        default="random",
        help="uncertain: those whose PHOTPROB is nearest 0.5 first",
    )
    following.add_argument(
        "--have",
        metavar="NAME",
        nargs="*",
        action="extend",
        default=[],
        help="chunks that need not be sent again",
    )
    following.add_argument(
        "--expert",
        action="store_true",
        help="give what most needs the expert, who is the hub's owner",
    )
    receive.add_argument("file", metavar="FILE", help="USER--YYYY-MM-DD_HH-MM-SS.csv")
    receive.add_argument("sha256", metavar="SHA256", help="the file's SHA-256, in hexadecimal")
    commands["import"].add_argument(
        "sources",
        metavar="FILE",
        nargs="+",
        type=_from_caller,
        help="USER--....csv, or batch--NNNNN--STAMP.tar.gz",
    )
    commands["import"].add_argument(
        "--timezone",
        metavar="ZONE",
        default="America/Chicago",
        help="in which the tables' times are (%(default)s)",
    )
    commands["report"].add_argument(
        "--html", metavar="FILE", type=_from_caller, help="write it as a page with pictures too"
    )
    for verb in ("consensus", "export"):
        commands[verb].add_argument(
            "--method",
            choices=("dawid-skene", "majority"),
            default="dawid-skene",
            help="how votes become one label (%(default)s)",
        )
    commands["export"].add_argument(
        "--size",
        metavar="PIXELS",
        type=int,
        default=51,
        help="height and width of every image (%(default)s)",
    )
    commands["export"].add_argument(
        "--format", choices=("gif", "fits"), help="which stamps, where the hub has both"
    )
    for command in (following, receive):
        command.add_argument(
            "--as", dest="as_user", metavar="USER", help="speak for USER (the hub's owner only)"
        )
    return parser


def main():
    """Run one command and return its exit status."""
    options = vars(_parser().parse_args())
    os.umask(0o022)  # what a labeler writes must be readable to the others, whatever their habit
    sys.stdout.reconfigure(errors="backslashreplace")  # of a name that the locale cannot write
    for number in (signal.SIGHUP, signal.SIGTERM):  # a closed terminal leaves no lock either
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores it, and so do we
            signal.signal(number, signal.default_int_handler)
    from cluster.hub import NOT_ALLOWED, HubError

    try:
        module = importlib.import_module("cluster." + options.pop("module"))
        status = getattr(module, options.pop("function"))(**options)
        sys.stdout.flush()
        return status
    except HubError as error:
        sentence, status = str(error), error.status
    except ModuleNotFoundError as error:  # a login node's own Python may lack it
        sentence = str(error.name) + " is needed and " + sys.executable + " does not have it: "
        sentence += "nothing was changed. Install it there, or name another Python in HUB/hub."
        status = 1
    except BrokenPipeError:  # whoever reads this has seen enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = str(error.filename or "The file system")
        sentence = where + " says '" + str(error.strerror) + "', so this could not be finished. "
        sentence += "What the hub had is safe: see to it and run the same command again."
        # on AFS that is how a missing or expired ticket looks
        status = NOT_ALLOWED if isinstance(error, PermissionError) else 1
    except KeyboardInterrupt:
        sentence = "Interrupted: what the hub had is safe, run the same command again."
        status = 1
    sys.stderr.write(sentence + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
