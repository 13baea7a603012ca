"""The hub's commands: ``python3 -m cluster VERB HUB ...``, or ``HUB/hub VERB ...``.

A verb is a module of this folder that has the lines ``VERB = "next"`` and ``HELP = "..."`` (what it
does). If it takes more than HUB, there is ``EXAMPLE = "..."`` of that, too, and its `options` adds
it to an argparse parser. Its `run` gets all by name and returns the exit status. Only the verb that
is asked for is imported; of the others these lines are read.

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
import re
import signal

# The way a campaign goes is that of --help; verbs that are not named here come after these.
_FLOW = ["init", "add", "metadata", "import", "next", "receive", "collect", "status", "report"]
_FLOW += ["consensus", "export", "exclude", "check"]
_TOLD = re.compile('^(VERB|HELP|EXAMPLE) = "(.*)"$', re.M)


def _verbs():
    """Return what the verbs' modules say of themselves: by verb a dict, with "module" added."""
    folder, found = os.path.dirname(os.path.abspath(__file__)), []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                told = dict(_TOLD.findall(file.read()))
            if "VERB" in told:
                found.append(dict(told, module="cluster." + name[:-3]))
    found.sort(key=lambda told: (_FLOW + [told["VERB"]]).index(told["VERB"]))
    return {told["VERB"]: told for told in found}


def _parser(asked):
    """Return the parser, with the options of the verb that is asked for, and its `run` or None."""
    parser = argparse.ArgumentParser(
        prog="python3 -m cluster",
        description="The hub: a shared folder that cuts stamps into chunks, hands them out and "
        "takes labels in.",
        epilog="After init, 'HUB/hub VERB' is short for 'python3 -m cluster VERB HUB'.",
        allow_abbrev=False,
    )
    verbs, run = parser.add_subparsers(metavar="VERB", required=True), None
    for verb, told in _verbs().items():
        text, example = told["HELP"], told.get("EXAMPLE", "")
        command = verbs.add_parser(
            verb,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=" ".join(("Example: python3 -m cluster", verb, "/data/hub", example)).strip(),
            allow_abbrev=False,
        )
        command.add_argument("folder", metavar="HUB", type=os.path.abspath, help="the hub's folder")
        if verb == asked:
            module = importlib.import_module(told["module"])
            if hasattr(module, "options"):
                module.options(command)
            run = module.run
    return parser, run


def main():
    """Run one command and return its exit status."""
    os.umask(0o022)  # what a labeler writes must be readable to the others, whatever their habit
    sys.stdout.reconfigure(errors="backslashreplace")  # of a name that the locale cannot write
    for number in (signal.SIGHUP, signal.SIGTERM):  # a closed terminal leaves no lock either
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores it, and so do we
            signal.signal(number, signal.default_int_handler)
    from cluster.hub import NOT_ALLOWED, HubError, printable

    try:
        words = [word for word in sys.argv[1:] if not word.startswith("-")]
        parser, run = _parser(words[0] if words else None)
        status = run(**vars(parser.parse_args()))
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
    sys.stderr.write(printable(sentence) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
