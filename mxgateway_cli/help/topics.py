"""The topics of ``mxgw-py help``: what is true of many commands."""

from __future__ import annotations

from typing import Final, NamedTuple

WIDTH: Final = 80
"""Columns that no line of a help text exceeds."""


class Topic(NamedTuple):
    """A topic: its name, one line about it, and its paragraphs.

    A paragraph whose lines are indented is shown as it stands.
    """

    name: str
    summary: str
    text: str


NEXT_STEPS: Final = """\
Next steps:
  mxgw-py smoke --simulator   Run one session, without a gateway.
  mxgw-py help connection     How to connect to your gateway.
  mxgw-py doctor              Check each step on the way to it.
  mxgw-py help                List all commands and topics.
  mxgw-py help read           Show the options and examples of a command."""

TOPICS: Final = (
    Topic(
        "connection",
        "Endpoint, TLS, API key, profiles, proxy and contract.",
        """\
A command connects to --endpoint with TLS. The first certificate of a gateway is trusted and stored, as ssh does; a \
different one is refused later. A gateway without TLS needs --plaintext.

  export MXGATEWAY_API_KEY=...
  mxgw-py ping --endpoint gw.plant:5001
  mxgw-py ping --endpoint gw.plant:5000 --plaintext

The API key comes from the variable MXGATEWAY_API_KEY, from the one that --api-key-env names, or from --api-key-file.

A profile stores the options under a name:

  mxgw-py profile set plant --endpoint gw.plant:5001
  mxgw-py ping --profile plant
  mxgw-py profile use plant

The last line makes it the default. mxgw-py config shows which options are in force, and where each is from; mxgw-py \
doctor checks each step on the way to the gateway.

Precedence: flag, environment, profile, default. Options may also stand before the command; if an option is given in \
both places, the one after the command wins.""",
    ),
    Topic(
        "output",
        "Formats of results, diagnostics and colours.",
        """\
Results go to stdout; errors, warnings and progress go to stderr.

  table   for people (default)
  json    one object, or JSON Lines for a stream without an end
  jsonl   one object on a line for each record
  value   only the value, for scripts

With --json an error is one object on stderr, {"error": {"type", "message", ...}}; otherwise a line "error: ..." and a \
line "hint: ...". Keys and passwords are never shown.""",
    ),
    Topic(
        "exit-codes",
        "What the exit code of a command says.",
        """\
  0    done; also when the reader of stdout has closed the pipe
  1    another failure
  2    wrong usage: nothing was sent
  20   timed out
  21   some or all entries failed: tags, entries, lines of a batch
  22   MXAccess refused
  68   the gateway did not answer in time       (64 + DEADLINE_EXCEEDED)
  71   the API key lacks a scope                (64 + PERMISSION_DENIED)
  78   the gateway cannot be reached            (64 + UNAVAILABLE)
  80   the API key is missing or refused        (64 + UNAUTHENTICATED)
  130  SIGINT (Ctrl-C); 143 SIGTERM, 129 SIGHUP

A call that failed with another gRPC status ends with 64 plus its number. After a signal, streams are cancelled and the \
session is closed first; a second signal ends at once. check --format nagios has the codes of a Nagios plugin: 0 to 3.""",
    ),
    Topic(
        "control",
        "Where mxgw-py sim finds the simulated gateway that it controls.",
        """\
mxgw-py simulate --control PORT --ready-file FILE runs a simulated gateway, and writes the file when it is ready. \
mxgw-py sim takes address and key from that file:

  mxgw-py sim status --ready-file gateway.json --wait-for-gateway 30
  mxgw-py sim set Tank01.Level 95 --ready-file gateway.json

Without the file, --control HOST:PORT is the address, and MXGATEWAY_CONTROL_KEY, --control-key-env or \
--control-key-file the key. The ready line of simulate shows both. The key is not the gateway's, and the control \
listens on this machine only.

Precedence: flag, environment. If the environment has an address and a ready file, the address counts.""",
    ),
    Topic(
        "patterns",
        "Names of tags: patterns, arrays, and files of tags.",
        """\
A tag is Object.Attribute. Attribute[] is a whole array.

  mxgw-py read Tank01.Level 'TestChildObject.TestIntArray[]'

A pattern stands for all tags of the galaxy that match it. * is any text, ? is one character; case is ignored, and the \
whole tag must match. Quote it, so that the shell does not expand it.

  mxgw-py tags 'Tank*.Level'
  mxgw-py read 'Tank*.Level'

All patterns of a command together match at most --max-tags tags. A pattern needs the scope metadata:read. write \
writes a pattern only with --tag-count, the number of tags that it must match.

A list of tags comes from a file or from a pipe, one tag on a line:

  mxgw-py tags 'Tank*.Level' -o value | mxgw-py read --from -""",
    ),
    Topic(
        "options",
        "Options that mean the same in every command.",
        """\
  TAG, [TAG]...        the tags; --item TAG and --items TAG,TAG are the same
  VALUE                the value of a write; --value TEXT is the same
  --from FILE          more of the same from a file, one on a line or a table;
                       - is stdin
  --count N            stop after N records; --max-events, --max-messages and
                       --limit are the same
  --duration SECONDS   stop after this time, with exit code 0;
                       --duration-seconds is the same
  --timeout SECONDS    of a command that waits: give up after this time, exit
                       code 20; of any other: of connecting and of each call
  --type TYPE          the type of a value, such as int32 or double[]
  --session-id ID      an open session; --server-handle and --item-handle are
                       handles in it
  --max-tags N         how many tags all patterns of a command may match
  --json, -o FORMAT    the format of the result

The options of connection and output may also stand before the command. -- ends the options: what follows is an argument, even \
if it begins with a hyphen.""",
    ),
)
BY_NAME: Final = {topic.name: topic for topic in TOPICS}
