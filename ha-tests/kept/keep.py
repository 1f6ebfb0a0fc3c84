#!/usr/bin/env python3
"""Keeps data directories of one release, with updates that stand in the logs alone.

usage: keep.py PROGRAMS POWERCUT ARCHIVE.tar.gz [SEED]

Forms a group of the release in PROGRAMS (ocsd, ocs-http-proxy, ocsctl), each node on a disk of POWERCUT (ha-tests/powercut), gives
the group something to remember, cuts the power of all nodes at one moment while clients write, and packs the data directories
together with told.json, everything that was acknowledged. README.md says what the archive holds.
"""
import contextlib
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

NODES = ("a", "b", "w")
IP = "127.77.7.7"
PORTS = {"peer": 7301, "control": 7401, "admin": 7501, "http": 8080}
# Records that each half adds one after the other, with an action on each.
RECORDS = 60
# Rows of the import.
ROWS = 40
# Acknowledged requests before the power goes.
WRITTEN = 1000
WRITERS = 4
PATIENCE_S = 60
# No state is made durable within such a time.
NEVER = ["--set", "store.persist_ms=3600000", "--set", "store.persist_bytes=1073741824"]


def address(node, purpose):
    return f"{IP}:{PORTS[purpose] + NODES.index(node)}"


def configuration(directory, node):
    members = "".join(
        f'  {{ name = "{name}", role = "{"witness" if name == "w" else "data"}", peer = "{address(name, "peer")}", '
        f'control = "{address(name, "control")}" }},\n'
        for name in NODES
    )
    certs = f"{directory}/certs"
    return f"""[node]
name = "{node}"
data_dir = "{directory}/data/{node}"
disk_reserve_bytes = 1048576

[cluster]
id = "test"
nodes = [
{members}]

[peer]
listen = "{address(node, "peer")}"
tls = {{ ca = "{certs}/ca.pem", certificate = "{certs}/{node}.pem", key = "{certs}/{node}.key" }}

[control]
listen = "{address(node, "control")}"

[admin]
listen = "{address(node, "admin")}"

[http_proxy]
listen = "{address(node, "http")}"
drain_timeout_ms = 3000
reconnect_timeout_ms = 200

[log]
segment_bytes = 4194304

[limits]
drain_timeout_ms = 5000
"""


class Disk:
    """A disk that forgets in a power cut what was not synced."""

    def __init__(self, program, path):
        os.makedirs(path)
        self.path = path
        self.process = subprocess.Popen(
            [program, path], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        until(lambda: os.path.ismount(path), f"{path} is mounted")

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stderr.readline().strip()

    def unmount(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)


class Group:
    def __init__(self, directory, programs, powercut):
        self.directory, self.programs, self.processes = directory, programs, {}
        self.ctl("certs", "--dir", f"{directory}/certs", "--nodes", "a,b,w", "--days", "365")
        for node in NODES:
            with open(f"{directory}/{node}.toml", "w") as file:
                file.write(configuration(directory, node))
        self.disks = {node: Disk(powercut, f"{directory}/data/{node}") for node in NODES}

    def start(self, node, *words):
        with open(f"{self.directory}/{node}.log", "a") as log:
            command = [f"{self.programs}/ocsd", "--config", f"{self.directory}/{node}.toml", *words]
            self.processes[node] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self, node, how=signal.SIGTERM):
        process = self.processes.pop(node)
        process.send_signal(how)
        assert process.wait(PATIENCE_S) == (0 if how == signal.SIGTERM else -how), f"{node} did not end well"

    def ctl(self, *words):
        environment = dict(os.environ, OCSCTL_ENDPOINTS=",".join(address(node, "control") for node in NODES))
        ran = subprocess.run([f"{self.programs}/ocsctl", *words], env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, f"ocsctl {words}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def whole(self):
        self.ctl("--timeout", "40", "wait", "--for", "ready")

    def renew(self, node):
        """A node loses its disk, and comes back under a new Raft id."""
        self.stop(node, signal.SIGKILL)
        subprocess.run(["find", f"{self.directory}/data/{node}", "-mindepth", "1", "-delete"], check=True)
        self.start(node)
        name = str(NODES.index(node) + 1 | 1 << 16)

        def votes():
            with open(f"{self.directory}/{node}.log") as log:
                lines = [line for line in log if "voters=[" in line and "learners=[] leaving=[]" in line]
            return any(name in line.split("voters=[")[1].split("]")[0].split(", ") for line in lines)

        until(votes, f"{node} votes as {name}")
        self.whole()

    def cut_power(self, seed):
        """The seed decides what is left of what was not synced."""
        for disk in self.disks.values():
            disk.tell("cut")
        for process in self.processes.values():
            process.kill()
        for seed, (node, disk) in enumerate(self.disks.items(), seed):
            disk.tell("off")
            self.processes.pop(node).wait(PATIENCE_S)  # only now no process uses the disk
            print(node, disk.tell(f"on {seed}"))

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait(PATIENCE_S)
        for disk in self.disks.values():
            disk.unmount()


class Told:
    """What clients were told, and must find again."""

    def __init__(self):
        self.handles, self.keys, self.do_not_call, self.acknowledged = [], [], [], []
        self.lock = threading.Lock()

    def keyed(self, node, key, target, body):
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        status, answer = ask(node, "POST", target, body, headers)
        self.keys.append({"key": key, "target": target, "body": body, "status": status, "answer": answer})
        return status, answer

    def write(self, half):
        """Requests of every kind, refused ones too, at both HTTP Proxies in turn; each with a key."""
        chain = None
        for number, node in zip(range(RECORDS), itertools.cycle("ab")):
            phone = f"+1888{len(half)}{number:06}"

            def send(step, target, expected=200, **body):
                body["GSW_REFERENCE_ID"] = f"{half}-{number}-{step}"
                status, answer = self.keyed(node, f"key-{half}-{number}-{step}", target, json.dumps(body))
                assert status == expected, f"{target} {body}: {status} {answer}"
                return answer

            more = {}
            if number % 5 == 1:
                more["GSW_CHAIN_ID"] = chain
            if number % 6 == 4:
                more.update(GSW_TZ_NAME="Australia/Melbourne", GSW_FROM=32400, GSW_UNTIL=61200)
            added = send("add", "/lists/kept?req=AddRecord", GSW_PHONE=phone, client_id=f"{half} {number}", **more)
            handle, chain = added["GSW_RECORD_HANDLE"], added["GSW_CHAIN_ID"]
            record = f"/records/{handle}?req="
            if number % 6 == 0:
                update = {"GSW_CALL_RESULT": number % 50, "GSW_ATTEMPTS": number, "client_id": "changed"}
                send("update", record + "UpdateCallCompletionStats", **update)
            elif number % 6 == 2:
                send("processed", record + "RecordProcessed", GSW_CALL_RESULT=33)
                send("again", record + "RecordProcessed", expected=404)
            elif number % 6 == 3:
                send("no-call", record + "DoNotCall")
                send("refused", "/lists/kept?req=AddRecord", expected=409, GSW_PHONE=phone)
                self.do_not_call.append(phone)
            self.handles.append(handle)

    def add_until_the_end(self, writer):
        """Of a client without keys: whatever was not acknowledged is not known."""
        connection = http.client.HTTPConnection(address("ab"[writer % 2], "http"), timeout=PATIENCE_S)
        with contextlib.suppress(OSError, http.client.HTTPException):
            for number in itertools.count():
                phone = f"+1999{writer}{number:07}"
                connection.request("POST", "/lists/load?req=AddRecord", json.dumps({"GSW_PHONE": phone}))
                answer = connection.getresponse()
                told = json.loads(answer.read())
                if answer.status != 200:
                    return
                with self.lock:
                    self.acknowledged.append([phone, told["GSW_RECORD_HANDLE"]])

    def told(self, group):
        shown = [ask("a", "GET", f"/records/{handle}")[1] for handle in self.handles]
        export = group.ctl("list", "export", "kept", "--node", "a")
        return {"shown": shown, "keys": self.keys, "do_not_call": self.do_not_call, "export": export}


def ask(node, method, target, body=None, headers=None):
    connection = http.client.HTTPConnection(address(node, "http"), timeout=PATIENCE_S)
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def until(holds, what):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)


def begin(group, told):
    """Up to here both states are durable."""
    for node in NODES:
        group.start(node, "--bootstrap")
    group.whole()
    rows = "".join(f"+1777{row:06},customer {row}\n" for row in range(ROWS))
    with open(f"{group.directory}/kept.csv", "w") as file:
        file.write(f"contact_info,client_id\n{rows}")
    group.ctl("list", "create", "kept", "--from", file.name)
    told.write("first")
    for node in ("w", "b"):
        group.renew(node)
    for node in ("w", "b", "a"):
        group.stop(node)


def go_on(group, told, seed):
    """All this stands in the logs alone."""
    for node in NODES:
        group.start(node, *NEVER)
    group.whole()
    group.ctl("switchover")
    group.whole()
    told.write("second")
    kept = told.told(group)
    group.ctl("list", "create", "load")
    writers = [threading.Thread(target=told.add_until_the_end, args=(writer,)) for writer in range(WRITERS)]
    for writer in writers:
        writer.start()
    until(lambda: len(told.acknowledged) >= WRITTEN, "the clients write")
    group.cut_power(seed)
    for writer in writers:
        writer.join(PATIENCE_S)
    return dict(kept, acknowledged=told.acknowledged)


def main():
    programs, powercut, archive = map(os.path.abspath, sys.argv[1:4])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    with tempfile.TemporaryDirectory(prefix="ocs-keep-", ignore_cleanup_errors=True) as directory:
        group, told = Group(directory, programs, powercut), Told()
        try:
            begin(group, told)
            kept = go_on(group, told, seed)
            with open(f"{directory}/data/told.json", "w") as file:
                json.dump(kept, file, indent=1)
            pack = ["tar", "--sparse", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-I", "gzip -9"]
            pack += ["-cf", archive, "-C", f"{directory}/data", *NODES, "told.json"]
            subprocess.run(pack, check=True)
        finally:
            group.close()
    print(archive, os.path.getsize(archive), "bytes")


if __name__ == "__main__":
    main()
