"""A domain made from nothing: its directory with configuration, wrapping key, development CA and databases."""

from __future__ import annotations

import os
import re
from pathlib import Path
from string import Template
from typing import Any

from mcsec.errors import InvalidValue, LocalError
from mcsec.kms.config import load
from mcsec.kms.create import create
from mcsec.kms.issuers import create_local
from mcsec.net.tls import DevelopmentCa
from mcsec.store.kek import create_kek_file

#: Functional entities that get a certificate, and the host name of each below the domain.
ENTITIES = {"kms": "kms", "gms": "gms", "server": "mcx", "bmsc": "bmsc"}

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX_DOMAIN = 240
#: Seconds; a server fetches keys as long as it runs.
_TOKEN_LIFETIME = 365 * 86_400

CONFIGURATION = Template("""\
# One MC domain. Paths are relative to this directory. A name that is not known is refused.

[domain]
name = "$domain"

[kms]
# Names this KMS in every key. uri, key_period and key_offset can never change: each UID is made of them.
uri = "kms.$domain"
# Length of a key period, and where the first begins after 1900, in seconds.
key_period = 2592000
key_offset = 0
# The next period's keys are handed out along with the present ones this many seconds before it begins.
provision_ahead = 604800

# Where clients reach it (HTTPS; port 0 takes any that is free), and with which certificate.
listen = "127.0.0.1:8443"
certificate = "tls/kms.pem"
key = "tls/kms.key"
# Operators' API: a socket that only this user can open. The CLI uses it.
admin = "unix:kms.sock"
# Health, readiness and metrics by plain HTTP, such as "127.0.0.1:9443"; empty: only on the socket.
operations = ""

database = "kms.db"
# The key that wraps every key in the database: file:PATH, env:NAME or credential:NAME (systemd).
kek = "file:kek"

# Keys go out sealed under a transport key, in messages signed with an integrity key, inside TLS. false: in clear
# inside TLS, and requests are not signed.
protection = true
# Also sign each certificate in an answer by itself (SignedKmsCertificate), under the client's integrity key.
sign_certificates = false
# How a client gets its first transport key: "first-init" (once, to the bearer of a token) or "enrolled" (by
# `mcsec kms enrol`, carried by the operator).
bootstrap = "first-init"
clients_per_user = 8
# Seconds until transport and integrity keys are replaced, in the next answer.
transport_key_lifetime = 7776000
# How key content is sealed that RFC 3394 cannot take: "nested" or "padded" (RFC 5649). See docs/readings/kms.md.
wrap = "nested"
# Seconds that a client's clock may be off, and how many requests are remembered against replay.
time_window = 300
replay_memory = 200000

# Further domains whose users get keys here.
serves = []
# Believe tokens of the domain's own issuer (`mcsec token issue`).
local_issuer = true

[kms.tokens]
scopes = [
    "3gpp:mc:ptt_key_management_service",
    "3gpp:mc:video_key_management_service",
    "3gpp:mc:data_key_management_service",
]
id_claims = ["mcptt_id", "mcvideo_id", "mcdata_id"]
algorithms = ["ES256", "RS256", "PS256", "EdDSA"]
clock_skew = 60

# Tokens of an OpenID Connect issuer; one section for each. jwks is an https address or a file.
# [[kms.issuers]]
# issuer = "https://idms.$domain"
# jwks = "https://idms.$domain/.well-known/jwks.json"
# audience = ["kms.$domain"]
# ca = "tls/ca.pem"

# Identities of servers, by the subject of their tokens. Nobody else gets keys for these.
[kms.servers]
"mcx.$domain" = ["mcx.$domain"]
"gms.$domain" = ["gms.$domain"]

# The MCX server (`mcsec run server`). Groups that are not named below are nobody's.
[server]
listen = ["tls:127.0.0.1:5061"]
certificate = "tls/server.pem"
key = "tls/server.key"
ca = "tls/ca.pem"
database = "server.db"
kek = "file:kek"
# Operators' API: a socket that only this user can open. The CLI uses it.
admin = "unix:server.sock"

# Where its own keys come from. The token lasts one year; `mcsec token issue --user mcx.$domain` makes others.
[server.kms]
address = "https://127.0.0.1:8443"
ca = "tls/ca.pem"
token = "file:server.token"

# Members, flags and priorities of groups come from the domain's GMS, besides what [[server.groups]] says. The token:
# `mcsec token issue --user mcx.$domain --audience gms.$domain --scope 3gpp:mc:ptt_group_management_service`.
# [server.gms]
# address = "https://127.0.0.1:8444"
# ca = "tls/ca.pem"
# token = "file:server-gms.token"
# refresh = 10

# [[server.groups]]
# id = "sip:rescue@$domain"
# members = "*"
# musik = "own"

# MB2: the BM-SC whose broadcast bearers it uses, and the bearers that it wants whenever they can be had.
[server.mb2]
bmsc = "bmsc.$domain"
restart_counter = "mb2.json"

[[server.mb2.peers]]
host = "bmsc.$domain"
address = "127.0.0.1:5658"

# Service areas, and the multicast group of the general purpose subchannel. With groups = [...], only users of those
# groups are told of it.
[[server.bearers]]
name = "one"
areas = [1]
address = "239.255.77.2"
port = 42001

# The GMS (`mcsec run gms`): group documents, and the keys of the groups that are at home here.
[gms]
uri = "gms.$domain"
# Where members and servers reach it (HTTPS, XCAP), and with which certificate.
listen = "127.0.0.1:8444"
certificate = "tls/gms.pem"
key = "tls/gms.key"
database = "gms.db"
kek = "file:kek"
# Operators' API: a socket that only this user can open. The CLI uses it.
admin = "unix:gms.sock"
# Health, readiness and metrics by plain HTTP, such as "127.0.0.1:9444"; empty: only on the socket.
operations = ""
# MC service IDs that may make groups, and change every one. Others change those that they own.
administrators = []
# Further domains whose groups are at home here.
serves = []
# Believe tokens of the domain's own issuer, for its own users.
local_issuer = true

# MCX servers by the subject of their tokens. Ours reads group documents; a group in Release 13 mode gives any its MKFC.
[gms.servers]
"mcx.$domain" = "mcx.$domain"

# Where its own keys come from, and the certificates of partners whose users are members.
[gms.kms]
address = "https://127.0.0.1:8443"
ca = "tls/ca.pem"
token = "file:gms.token"

# Seconds: how long a group key lives (0: for ever), when it is renewed before that, how long it is handed out before it
# is active, and how long members are told of a revoked one. A member who is removed is excluded at once.
[gms.keys]
lifetime = 2592000
renew_before = 86400
overlap = 300
revoked_for = 604800
# Replace keys when a member joins, so that it cannot read what was recorded before.
rotate_on_join = false

# Keys sent by SIP as well: the next hop of all members, or of those of some domains. Empty: members fetch their keys.
[gms.push]
core = ""
ca = "tls/ca.pem"
# [gms.push.routes]
# "$domain" = "tls:127.0.0.1/mcx.$domain:5061"

# Tokens of a partner's issuer count for the users of its domains only.
# [[gms.issuers]]
# issuer = "https://id.partner.example"
# jwks = "partner.jwks.json"
# domains = ["partner.example"]

# The BM-SC emulator (`mcsec run bmsc`): broadcast bearers without a mobile network. It never sees a key.
[bmsc]
host = "bmsc.$domain"
realm = "$domain"
mcc = "001"
mnc = "01"
# First UDP port of MB2-U; each bearer has the next. 0 takes any that are free.
mb2u_port = 9470
# Keeps the Restart-Counter, by which servers see that bearers were lost.
state = "bmsc.json"
# Operators' API: a socket that only this user can open. The CLI uses it.
admin = "unix:bmsc.sock"

# MB2-C: Diameter over mutual TLS, port 0 takes any that is free.
[bmsc.diameter]
listen = ["127.0.0.1:5658"]
certificate = "tls/bmsc.pem"
key = "tls/bmsc.key"
authorities = "tls/ca.pem"

# Servers that may ask for bearers, by the name in their certificates.
[[bmsc.gcs_as]]
host = "mcx.$domain"
realm = "$domain"

# Service areas, and transmitters on this machine: loopback only, with as much loss as is wanted.
[[bmsc.areas]]
code = 1

[[bmsc.cells]]
name = "lab"
areas = [1]
interface = "lo"
ttl = 0
loss = 0.0
""")


class InitError(LocalError):
    """A domain cannot be made there."""

    code = "init"


async def make_domain(directory: Path, domain: str, now: float) -> dict[str, Any]:
    """Make a domain in ``directory``; what was made.

    :raises InitError: the directory is not empty, or cannot be written.
    :raises InvalidValue: no domain name.
    """
    domain = domain.lower()
    if not _DOMAIN.fullmatch(domain) or len(domain) > _MAX_DOMAIN:
        raise InvalidValue(f"{domain!r} is no domain name")
    file = _make_files(directory, domain)
    config = load(file)
    issuer = create_local(config, config.kek())
    await create(config, now)
    for entity in ("server", "gms"):
        _write_secretly(
            directory / f"{entity}.token",
            issuer.issue(
                f"{ENTITIES[entity]}.{domain}",
                audience=config.kms.uri,
                scopes=config.kms.tokens.scopes,
                now=now,
                lifetime=_TOKEN_LIFETIME,
            ),
        )
    return {
        "domain": domain,
        "config": str(file),
        "files": {
            "mcsec.toml": "configuration, with comments",
            "kek": "the key that wraps all others: keep a copy in a safe place",
            "kms.db": "database of the KMS, with its master secrets under wrap",
            "issuer.key": "key of the domain's own token issuer, under wrap",
            "issuer.jwks.json": "what checks its tokens",
            "server.token": "proves the MCX server to the KMS, for one year",
            "gms.token": "proves the GMS to the KMS, for one year",
            "tls/": "development CA and certificates; bring your own for a deployment",
        },
    }


def _make_files(directory: Path, domain: str) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(directory.iterdir()):
            raise InitError(
                f"{directory} is not empty",
                hint="what a domain is made of is never replaced: give a new directory",
            )
        (directory / "tls").mkdir(mode=0o700)
        file = directory / "mcsec.toml"
        file.write_text(CONFIGURATION.substitute(domain=domain))
    except OSError as error:
        raise InitError(f"{directory}: {error.strerror}") from None
    create_kek_file(directory / "kek")
    ca = DevelopmentCa(directory / "tls")
    ca.create(domain)
    for entity, host in ENTITIES.items():
        ca.issue(entity, [f"{host}.{domain}", "localhost", "127.0.0.1", "::1"])
    return file


def _write_secretly(path: Path, text: str) -> None:
    """A file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{text}\n")
