"""Good command lines of each command: together they have each of its options at least once.

``{session}`` is an open session with the server handle 1, the advised items 2 (`TAG`) and 3 (a secured one) and the user
``{user}``; ``{dir}`` is a folder with `FILES`; ``{contract}`` is one with .proto files.
"""

from __future__ import annotations

from typing import Final

from mxgateway.simulator.options import DEFAULT_USERS
from tests.cli.gateway import TAG
from tests.cli.test_every_command import OPERATOR, PASSWORD, SECURED, TIME, USER

SUPERVISOR: Final = DEFAULT_USERS[1][0]
OTHER: Final = "TestChildObject.UncertainInt"
SESSION: Final = "--session-id {session} --server-handle 1"
ITEM: Final = f"{SESSION} --item-handle 2"
OWN: Final = "--client-name test"
INT: Final = "--type int32"
BY_FILE: Final = f"--user {OPERATOR} --password-file {{dir}}/password"
BY_ID: Final = "--current-user-id {user} --verifier-user-id {user}"
TWO: Final = f"{USER} --verifier {SUPERVISOR}"
FILES: Final = {
    "tags.txt": f"{TAG}\n{OTHER}\n",
    "tags.csv": f"tag\n{TAG}\n",
    "more.csv": f"tag\n{OTHER}\n",
    "items.csv": "item_handle\n2\n",
    "values.csv": f"tag,value,type\n{TAG},5,int32\n",
    "secured.csv": f"tag,value,type\n{SECURED},5,int32\n",
    "expected.csv": f"tag,expected\n{TAG},> -1\n",
    "password": f"{PASSWORD}\n",
    "key": "",
    "config.toml": "",
}
BULK: Final = (
    f"{TAG} {OWN}",
    f"--item {TAG}",
    f"--items {TAG},{OTHER}",
    "--from {dir}/tags.csv --from {dir}/more.csv --format csv",
)
ON_TAGS: Final = (*BULK, f"--items {TAG} {SESSION} --max-tags 5")
ON_ITEMS: Final = (*BULK, f"{SESSION} --item-handles 2")
ON_ONE_ITEM: Final = (f"{TAG} {OWN}", f"--item {TAG}", ITEM)


def _users(item: str) -> tuple[str, ...]:
    """Return the options that name users, on one item."""
    return (
        f"{item} {USER}",
        f"{item} {BY_FILE}",
        f"{item} {TWO} --verifier-password-env SECOND",
        f"{item} {TWO} --verifier-password-file {{dir}}/second",
    )


def _secured_bulk(*more: str) -> tuple[str, ...]:
    given = " ".join((INT, *more))
    return (
        *_users(f"{SECURED} --values 5 {given}"),
        f"--item {SECURED} --values 5 {given} {USER} {OWN} --confirm",
        f"--items {SECURED} --values 5 {given} {USER}",
        f"--from {{dir}}/secured.csv --format csv {' '.join(more)} {USER}",
        f"{SESSION} --item-handles 3 --values 5 {given} {BY_ID}",
    )


def _secured(*more: str) -> tuple[str, ...]:
    given = " ".join(more)
    return (
        *_users(f"{SECURED} 5 {given}"),
        f"--item {SECURED} --value 5 {INT} {given} {USER} {OWN} --confirm",
        f"{SESSION} --item-handle 3 {INT} --value 5 {given} {BY_ID}",
    )


LINES: Final[dict[str, tuple[str, ...]]] = {
    "help": ("read", "--man {dir}"),
    "version": ("",),
    "smoke": (f"{TAG} 5 {INT} --count 1 {OWN} --timeout 20", f"--item {TAG} --value 5", f"{TAG} --max-events 1"),
    "ping": ("", "--session-id {session}"),
    "doctor": ("--timeout 20",),
    "contract": ("--from-gateway", "--protos {contract}", "--export {dir}/exported", "--descriptor-set {dir}/exported"),
    "completion": ("bash",),
    "open-session": (f"{OWN} --backend mxaccess-worker --command-timeout 5",),
    "close-session": ("--session-id {session}",),
    "session-state": ("--session-id {session}",),
    "worker-info": ("--session-id {session}",),
    "shutdown-worker": ("--session-id {session}",),
    "drain-events": ("--session-id {session} --count 1", "--session-id {session} --max-events 1"),
    "register": ("--session-id {session} --client-name test",),
    "unregister": (SESSION, OWN),
    "add-item": (f"{TAG} {OWN}", f"--item {TAG} {SESSION}"),
    "add-item2": (f"TestInt --context TestChildObject {OWN}", f"--item TestInt --context TestChildObject {SESSION}"),
    "remove-item": ON_ONE_ITEM,
    "advise": ON_ONE_ITEM,
    "unadvise": ON_ONE_ITEM,
    "advise-supervisory": ON_ONE_ITEM,
    "add-buffered-item": (f"TestInt --context TestChildObject {OWN}", f"--item TestInt --context TestChildObject {SESSION}"),
    "set-buffered-update-interval": (f"--milliseconds 500 {SESSION}", f"--milliseconds 500 {OWN}"),
    "suspend": ON_ONE_ITEM,
    "activate": ON_ONE_ITEM,
    "authenticate-user": (f"{USER} {OWN}", f"{BY_FILE} {SESSION}"),
    "user-to-id": (f"--guid 5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0001 {SESSION}", f"--guid 5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0001 {OWN}"),
    "read": (
        f"{TAG} --timeout-ms 1000",
        f"--item {TAG}",
        f"--items {TAG},{OTHER}",
        "--from {dir}/tags.txt --from {dir}/tags.csv",
        "TestChildObject.TestIn? --max-tags 5 --session-id {session}",
    ),
    "write": (
        f"{TAG} 5 {OWN} --confirm",
        f"--item {TAG} --value 5 {INT} --dry-run",
        f"{ITEM} {INT} --value 5 --user-id 1",
        "TestChildObject.TestIn? 5 --tag-count 1 --max-tags 5",
        "--from {dir}/values.csv --format csv",
    ),
    "write2": (f"{TAG} 5 {TIME} {OWN} --confirm", f"--item {TAG} --value 5 {INT} {TIME}", f"{ITEM} {INT} --value 5 {TIME} --user-id 1"),
    "write-secured": _secured(),
    "write-secured2": _secured(TIME),
    "write-array-elements": (
        f"TestChildObject.TestIntArray --element 1=5 --element 2=6 {OWN} --confirm",
        "--item TestChildObject.TestIntArray[] --type int32 --total-length 3 --element 1=5",
        f"{ITEM} --type int32 --total-length 3 --element 1=5 --user-id 1",
    ),
    "wait": (
        f"{TAG} --until good --timeout 20 {OWN} --all",
        f"--item {TAG} --until '>= 0' --quality good",
        f"--items {TAG},{OTHER} --until '>= 0' --any",
        "--from {dir}/expected.csv --format csv",
    ),
    "verify": (
        f"{TAG} --expect '> -1' --timeout-ms 1000 --timeout 20",
        f"--item {OTHER} --expect 5 --tolerance 1% --quality any",
        f"--items {TAG},{OTHER} --expect '> -1' --quality uncertain --failed",
        "--from {dir}/expected.csv --format csv --junit {dir}/junit.xml",
    ),
    "watch": (
        f"{TAG} --count 1 {OWN} --timeout 20",
        f"--item {TAG} --duration 0.05",
        f"--items {TAG},{TAG} --count 1",
        "--from {dir}/tags.txt --from {dir}/tags.csv --count 3",
        "TestChildObject.TestIn? --max-tags 5 --count 1",
    ),
    "add-item-bulk": ON_TAGS,
    "advise-item-bulk": ON_ITEMS,
    "remove-item-bulk": ON_ITEMS,
    "unadvise-item-bulk": ON_ITEMS,
    "subscribe-bulk": ON_TAGS,
    "unsubscribe-bulk": ON_ITEMS,
    "read-bulk": (*ON_TAGS, f"{TAG} --timeout-ms 1000"),
    "write-bulk": (
        f"{TAG} --values 5 {INT} {OWN} --confirm",
        f"--item {TAG} --values 5",
        f"--items {TAG} --values 5",
        "--from {dir}/values.csv --format csv",
        f"{SESSION} --item-handles 2 --values 5 {INT} --user-id 1",
    ),
    "write2-bulk": (
        f"{TAG} --values 5 {INT} {TIME} {OWN} --confirm",
        f"--item {TAG} --values 5 {INT} {TIME}",
        f"--items {TAG} --values 5 {INT} {TIME}",
        f"--from {{dir}}/values.csv --format csv {TIME}",
        f"{SESSION} --item-handles 2 --values 5 {INT} {TIME} --user-id 1",
    ),
    "write-secured-bulk": _secured_bulk(),
    "write-secured2-bulk": _secured_bulk(TIME),
    "stream-events": (
        f"{TAG} --count 1 {OWN} --resume --timeout 20",
        f"--item {TAG} --max-events 1 --no-resume",
        f"--items {TAG},{OTHER} --duration 0.05",
        "--from {dir}/tags.txt --count 2",
        "--session-id {session} --after-worker-sequence 0 --count 1",
    ),
    "stream-alarms": (
        "--filter-prefix Galaxy!Area1 --count 2 --timeout 20",
        "--filter-prefix Galaxy!Area1 --max-messages 2",
        "--filter-prefix Galaxy!Area1 --duration 0.05",
    ),
    "query-active-alarms": ("--filter-prefix Galaxy!Area1",),
    "acknowledge-alarm": ("--reference Galaxy!Area1.Tank01.Lo --comment ok --operator me",),
    "tags": ("'Test*' --type int32 --count 1", "'Tank*' --alarm-bearing-only --limit 1", "--historized-only --count 1"),
    "galaxy-test-connection": ("",),
    "galaxy-last-deploy": ("",),
    "galaxy-discover": (
        "--root-gobject-id 3 --max-depth 1 --page-size 10 --on-redeploy restart",
        "--root-tag-name Area1 --category-id 10 --no-attributes",
        "--root-contained-path Area1 --template-chain-contains TestMachine --tag-name-glob *_001",
        "--alarm-bearing-only --historized-only --attributes --tree",
    ),
    "galaxy-browse": (
        "Area1/TestMachine_001 --depth 2 --page-size 10",
        "--parent-gobject-id 3 --category-id 10 --no-attributes",
        "--parent-tag-name Area1 --template-chain-contains TestMachine --tag-name-glob *_001",
        "--parent-contained-path Area1 --alarm-bearing-only --historized-only --attributes",
    ),
    "galaxy-watch": (
        "--count 1 --timeout 20",
        "--next --duration 0.05",
        "--last-seen-deploy-time 2020-01-01T00:00:00Z --count 1",
    ),
    "bench-read-bulk": (
        f"{TAG} --duration 0.02 --warmup-seconds 0 --timeout-ms 1000 {OWN}",
        "--bulk-size 2 --duration-seconds 0.02 --warmup-seconds 0",
        f"--item {TAG} --duration 0.02 --warmup-seconds 0",
        f"--items {TAG} --duration 0.02 --warmup-seconds 0",
        "--from {dir}/tags.txt --duration 0.02 --warmup-seconds 0",
    ),
    "bench-stream-events": (
        f"{TAG} --duration 0.02 {OWN}",
        "--bulk-size 2 --duration-seconds 0.02 --session-count 2 --session-start-stagger-ms 0",
        f"--item {TAG} --duration 0.02",
        f"--items {TAG} --duration 0.02",
        "--from {dir}/tags.txt --duration 0.02",
    ),
    "check": (
        f"{TAG} --warning 0:100 --critical 0:200 --max-age 600000000 --timeout-ms 1000 --timeout 20",
        f"--item {TAG} --format json --quality good",
        "TestChildObject.TestIn? --max-tags 5",
    ),
    "batch": ("",),
    "profile set": ("plant --endpoint gw:5001", "plant --unset endpoint"),
    "profile list": ("",),
    "profile show": ("plant",),
    "profile use": ("plant", "--none"),
    "profile remove": ("plant",),
    "config": ("",),
    "record": (
        f"{{dir}}/recording {TAG} --count 1 {OWN} --timeout 20 --max-bytes 100000 --redact-values --force",
        f"- --item {TAG} --duration 0.05",
        f"- --items {TAG},{OTHER} --galaxy --count 2",
        "- --from {dir}/tags.txt --count 2",
        "- TestChildObject.TestIn? --max-tags 5 --count 1",
        "- --session-id {session} --count 1",
        "- --alarms --count 1",
    ),
}  # fmt: skip
"""The lines of each command."""
SHARED: Final = (
    "--plaintext --endpoint {endpoint} --authority gw.plant --timeout 20 --wait-for-gateway 1 --contract {dir}/exported",
    "--plaintext --endpoint {endpoint} --api-key-env KEY --json --color never --utc -q",
    "--plaintext --endpoint {endpoint} --api-key-file {dir}/key -o jsonl --local -v",
    "--plaintext --endpoint {endpoint} --api-key {key} --output value --quiet",
    "--profile here --verbose",
    "--simulator",
)
"""Lines of ``ping`` with the options that all commands have; those of TLS are in tests of their own."""
