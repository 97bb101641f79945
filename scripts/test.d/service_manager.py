"""Does with a unit what systemd does, where systemd is not the first process.

usage: service_manager.py UNIT PROGRAM DEVICE MOUNTPOINT OPTIONS USER COMMAND

The commands of UNIT are run in their order, with PROGRAM in the place of the program that they name: ExecStartPre= as root, ExecStart= as
USER without any privileges and with the descriptors that were kept, then COMMAND (of the shell, with MAINPID in its environment),
ExecStop= if the daemon still runs, SIGTERM, and ExecStopPost=. What happens is said on standard output, a line each.
"""

import array
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 30


class Manager:
    def __init__(self, directory):
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(directory, 0o755)
        os.chmod(self.path, 0o666)
        self.kept = []
        self.is_ready = False

    def receive(self, seconds):
        """Handles one message, if one comes."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return
        text, control, _, _ = self.socket.recvmsg(4096, 1024)
        descriptors = array.array("i")
        for _, _, data in control:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        fields = dict(line.split("=", 1) for line in text.decode().splitlines())
        if "FDSTORE" in fields:
            self.kept += [(fields["FDNAME"], number) for number in descriptors]
            return
        if "FDSTOREREMOVE" in fields:
            for name, number in self.kept:
                if name == fields["FDNAME"]:
                    os.close(number)
            self.kept = [pair for pair in self.kept if pair[0] != fields["FDNAME"]]
        if fields.get("READY") == "1":
            self.is_ready = True
        # The other end learns from this that everything before has been handled.
        for number in descriptors:
            os.close(number)

    def wait(self, process, until=lambda: False):
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and not until():
            self.receive(0.05)
            if time.monotonic() > deadline:
                process.kill()
                raise SystemExit(f"{process.args} did not end in {PATIENCE} seconds")
        if process.poll() is not None:
            self.receive(0)


def commands(unit):
    found = {}
    with open(unit, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("Exec"):
                name, command = line.strip().split("=", 1)
                found[name] = command
    return found


def words(command, program, values):
    """The command without what only systemd needs: nsenter is for a namespace that there is not here."""
    parts = shlex.split(command.removeprefix("+"))
    if "--" in parts:
        parts = parts[parts.index("--") + 1 :]
    for name, value in values.items():
        parts = [part.replace("${%s}" % name, value) for part in parts]
    return [program] + parts[1:]


def run(manager, line, environment):
    process = subprocess.Popen(line, env=environment)
    manager.wait(process)
    return process.returncode


def pass_on(kept):
    """What the child does before it becomes the daemon: the descriptors are numbered from 3 on."""

    def prepare():
        high = [os.dup2(number, 100 + index, inheritable=True) for index, (_, number) in enumerate(kept)]
        for index, number in enumerate(high):
            os.dup2(number, 3 + index, inheritable=True)
            os.close(number)

    return prepare


def serve(manager, line, environment, user):
    names = ":".join(name for name, _ in manager.kept)
    without = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--clear-groups"]
    shell = 'LISTEN_PID=$$ exec "$@"'
    line = ["setpriv", f"--reuid={user}", f"--regid={user}", *without, "sh", "-c", shell, "sh", *line]
    environment = environment | {"LISTEN_FDS": str(len(manager.kept)), "LISTEN_FDNAMES": names}
    process = subprocess.Popen(
        line, env=environment, close_fds=False, preexec_fn=pass_on(list(manager.kept))
    )
    manager.wait(process, until=lambda: manager.is_ready)
    return process


def main():
    unit, program, device, mountpoint, options, user, command = sys.argv[1:]
    values = {"DEVICE": device, "MOUNTPOINT": mountpoint, "OPTIONS": options}
    lines = {name: words(line, program, values) for name, line in commands(unit).items()}
    with tempfile.TemporaryDirectory() as directory:
        manager = Manager(directory)
        environment = dict(os.environ) | {"NOTIFY_SOCKET": manager.path}
        code = run(manager, lines["ExecStartPre"], environment)
        print("before:", code, *sorted(name for name, _ in manager.kept), flush=True)
        # systemd puts the latest first.
        manager.kept.reverse()
        if code == 0:
            daemon = serve(manager, lines["ExecStart"], environment, user)
            print("ready:", manager.is_ready, *(name for name, _ in manager.kept), flush=True)
            environment["MAINPID"] = str(daemon.pid)
            subprocess.run(["sh", "-c", command], env=environment, check=False)
            if manager.is_ready and daemon.poll() is None:
                # Its end is noticed as soon as it comes, as by systemd.
                stop = subprocess.Popen(lines["ExecStop"], env=environment)
                while stop.poll() is None:
                    daemon.poll()
                    manager.receive(0.01)
                print("stop:", stop.returncode, flush=True)
                if daemon.poll() is None:
                    daemon.send_signal(signal.SIGTERM)
            manager.wait(daemon)
            print("daemon:", daemon.returncode, flush=True)
            del environment["MAINPID"]
        print("after:", run(manager, lines["ExecStopPost"], environment), flush=True)


main()
