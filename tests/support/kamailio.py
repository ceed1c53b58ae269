"""Runs Kamailio on loopback with a configuration written for one test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mcsec.lab.ports import free_port
from support.waiting import soon, until

HEAD = """#!KAMAILIO
debug=-1
log_stderror=yes
children=2
tcp_children=2
enable_sctp=no
auto_aliases=no
dns=no
rev_dns=no
tcp_connection_lifetime=60
alias="mc.example"
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
{tls_listen}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "path.so"
loadmodule "auth.so"
loadmodule "xlog.so"
{tls_modules}
modparam("usrloc", "db_mode", 0)
modparam("registrar", "use_path", 1)
modparam("registrar", "default_expires", 600)
modparam("rr", "enable_full_lr", 1)
"""

TLS = """
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{certificate}")
modparam("tls", "private_key", "{key}")
modparam("tls", "ca_list", "{authority}")
modparam("tls", "verify_certificate", 1)
modparam("tls", "require_certificate", 1)
"""

IN_DIALOG = """
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); exit; }
        if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
        sl_send_reply("404", "Not Here"); exit;
    }
    if (is_method("INVITE|SUBSCRIBE")) { record_route(); }
"""

#: A SIP core: registrar with digest, and a proxy to whoever is registered.
CORE = (
    HEAD
    + "request_route {"
    + IN_DIALOG
    + """
    if (is_method("REGISTER")) {
        if (!pv_www_authenticate("mc.example", "opensesame", "0")) { www_challenge("mc.example", "1"); exit; }
        save("location");
        exit;
    }
    if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
    t_relay();
}
"""
)

#: An edge proxy: puts itself on the Path of a REGISTER and hands it to the registrar, as it does with what is for the
#: server. It asks nobody who he is.
EDGE = (
    HEAD
    + "request_route {"
    + IN_DIALOG
    + """
    if (is_method("REGISTER")) {
        add_path();
    }
    if (is_method("REGISTER") || $rU == "mcptt") {
        $du = "sip:127.0.0.1:{registrar};transport=tcp";
        t_relay();
        exit;
    }
    loose_route();
    t_relay();
}
"""
)


#: A SIP core between MC clients and an MCX server: registers clients by digest, tells the server of each by third-party
#: REGISTER, asserts who sends what to the server, and routes what the server sends to who is registered.
MC_CORE = (
    HEAD.replace("auth.so", 'auth.so"\nloadmodule "uac.so')
    + "request_route {"
    + IN_DIALOG
    + """
    if (is_method("REGISTER")) {
        if (!pv_www_authenticate("a.example", "opensesame", "0")) { www_challenge("a.example", "1"); exit; }
        # As in an IMS, the client is answered before the server is told.
        save("location");
        $uac_req(method) = "REGISTER";
        $uac_req(ruri) = "sip:mcx@127.0.0.1:{server};transport={transport}";
        $uac_req(furi) = "sip:scscf@a.example";
        $uac_req(turi) = $tu;
        $uac_req(hdrs) = "Contact: <sip:scscf@a.example>\\r\\nExpires: " + $hdr(Expires)
            + "\\r\\nContent-Type: message/sip\\r\\n";
        $uac_req(body) = $mb;
        uac_req_send();
        exit;
    }
    if ($rU == "mcptt") {
        if (!registered("location", "$fu")) { sl_send_reply("403", "Not Registered"); exit; }
        remove_hf("P-Asserted-Identity");
        append_hf("P-Asserted-Identity: <$fu>\\r\\n");
        append_hf("P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\\r\\n");
        $du = "sip:127.0.0.1:{server};transport={transport}";
        t_relay();
        exit;
    }
    if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
    t_relay();
}
"""
)


@dataclass(frozen=True)
class Running:
    """A Kamailio that runs: ``port`` for UDP and TCP, ``tls`` for TLS."""

    port: int
    tls: int


@asynccontextmanager
async def kamailio(
    configuration: str,
    directory: Path,
    *,
    certificate: tuple[Path, Path] | None = None,
    authority: Path | None = None,
    **values: int | str,
) -> AsyncIterator[Running]:
    """Kamailio with a configuration of this module, until the block ends."""
    running = Running(free_port(), free_port())
    tls_listen = tls_modules = ""
    if certificate is not None:
        tls_listen = f"enable_tls=yes\nlisten=tls:127.0.0.1:{running.tls}"
        tls_modules = TLS.format(certificate=certificate[0], key=certificate[1], authority=authority)
    filled = configuration
    for name, value in {
        "port": running.port,
        "tls_listen": tls_listen,
        "tls_modules": tls_modules,
        **values,
    }.items():
        filled = filled.replace("{" + name + "}", str(value))
    file = directory / "kamailio.cfg"
    file.write_text(filled)
    log = directory / "kamailio.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("kamailio", "-f", str(file), "-DD", "-E", "-m", "32", "-M", "8"),
            *("-Y", str(directory), "-P", str(directory / "kamailio.pid"), "-w", str(directory)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        await _listening(running.tls if certificate is not None else running.port, process, log)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await soon(process.wait())
            except TimeoutError:
                process.kill()
                await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    def there() -> bool:
        assert process.returncode is None, log.read_text(errors="replace")
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    await until(there, "Kamailio listens")
