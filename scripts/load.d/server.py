"""The image, the daemon that serves it, and what is done to both."""

import os
import re
import shutil
import subprocess
import time


class Failure(Exception):
    """Something is not as it must be."""


def run(*command, timeout=300):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Server:
    patience = 120

    def __init__(self, options, work, identity):
        # A copy, where every user can run it.
        self.binary = shutil.copy(options.fuse4fs, os.path.join(work, "fuse4fs"))
        os.chmod(self.binary, 0o755)
        self.mount_options = options.o
        self.image = os.path.join(work, "disk.img")
        self.point = os.path.join(work, "mnt")
        self.log = os.path.join(work, "daemon.log")
        # User and group, when root runs this.
        self.identity = identity
        self.process = None
        self._make(options)

    def _make(self, options):
        uid, gid = self.identity or (os.getuid(), os.getgid())
        run(
            "mke2fs", "-q", "-F", "-t", "ext4", "-b", str(options.block_size), "-J",
            f"size={options.journal}", "-E", f"root_owner={uid}:{gid}", self.image, options.size,
        )
        os.mkdir(self.point, 0o755)
        if self.identity:
            os.chown(self.image, uid, gid)
            os.chown(self.point, uid, gid)

    def _as_user(self, *command):
        if not self.identity:
            return list(command)
        uid, gid = self.identity
        return [
            "setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--inh-caps=-all", *command,
        ]

    # MARK: mounting

    def _mount_entry(self):
        """The device number of the mount; None if there is none."""
        with open("/proc/self/mountinfo") as file:
            numbers = [f[2] for f in map(str.split, file) if f[4] == self.point]
        return numbers[-1] if numbers else None

    def mount(self):
        options = ["-o", self.mount_options] if self.mount_options else []
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self._as_user(self.binary, "-f", *options, self.image, self.point),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            )
        deadline = time.monotonic() + self.patience
        while self._mount_entry() is None:
            if self.process.poll() is not None:
                raise Failure(f"the daemon exits {self.process.returncode} instead of mounting")
            if time.monotonic() > deadline:
                raise Failure("the daemon does not mount")
            time.sleep(0.01)

    def unmount(self):
        """In good order: everything is in the image afterwards."""
        for attempt in range(100):
            command = self._as_user("fusermount3", "-u", self.point)
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 0:
                break
            time.sleep(0.02 * (attempt + 1))
        else:
            raise Failure(f"cannot unmount: {done.stderr.strip()}")
        self.wait(0)

    def wait(self, *statuses):
        try:
            status = self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            raise Failure(f"the daemon does not end\n{self.stacks()}") from None
        if status not in statuses:
            raise Failure(f"the daemon ended with status {status}, not {statuses}")

    def detach(self):
        """Of a mount whose daemon has gone."""
        while self._mount_entry() is not None:
            subprocess.run(self._as_user("fusermount3", "-u", "-z", self.point), capture_output=True)

    def clear(self):
        """Leaves nothing behind, whatever has happened."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.detach()

    # MARK: harm

    def signal(self, number):
        self.process.send_signal(number)

    def abort(self):
        minor = self._mount_entry().split(":")[1]
        with open(f"/sys/fs/fuse/connections/{minor}/abort", "w") as file:
            file.write("1")

    # MARK: judgement

    def replay(self):
        run(*self._as_user(self.binary, "--replay", self.image))

    def check(self):
        """e2fsck -fn must have nothing to say."""
        output = run("e2fsck", "-fn", self.image)
        # That an extent tree could be smaller is an offer, which the kernel's trees get, too.
        harmless = r"Pass \d.*|.*: \d+/\d+ files .*\d+/\d+ blocks|Inode \d+ extent tree .* could be .*"
        for line in output.splitlines():
            if line and not re.fullmatch(harmless, line):
                raise Failure(f"e2fsck -fn: {output}")

    def needs_recovery(self):
        return "needs_recovery" in run("dumpe2fs", "-h", self.image)

    def usage(self):
        """Resident memory and its peak in MiB, threads and descriptors; None when the daemon has gone."""
        try:
            with open(f"/proc/{self.process.pid}/status") as file:
                fields = dict(line.split(":", 1) for line in file)
            descriptors = len(os.listdir(f"/proc/{self.process.pid}/fd"))
            memory = [int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")]
            return (*memory, int(fields["Threads"]), descriptors)
        except (OSError, KeyError):
            return None

    def stacks(self):
        """Where the daemon's threads wait."""
        lines = []
        directory = f"/proc/{self.process.pid}/task"
        for thread in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            parts = [thread]
            for name in ("comm", "wchan", "syscall"):
                try:
                    with open(f"{directory}/{thread}/{name}") as file:
                        parts.append(file.read().strip())
                except OSError:
                    parts.append("?")
            lines.append("  thread " + ", ".join(parts))
        return "\n".join(lines)
