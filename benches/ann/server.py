"""The server: connections with nothing between libpq and the clock, and what the server and the system know of costs."""

import gc
import os
import random
import re
import subprocess
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from psycopg import pq

BINARY = 1
OK = {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK}


class ServerError(Exception):
    pass


class Connection:
    """A session. Statements are prepared, parameters and results binary, so that no text is parsed."""

    def __init__(self, database):
        self.pg = pq.PGconn.connect(f"dbname='{database}' application_name=bench".encode())
        if self.pg.status != pq.ConnStatus.OK:
            raise ServerError(self.pg.get_error_message())
        self.notices = []
        self.pg.notice_handler = self.noticed
        self.pid = self.pg.backend_pid

    def noticed(self, result):
        """Keeps what the server warns of, not what it merely reports."""
        if result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) != b"INFO":
            self.notices.append(result.get_error_message().strip())

    def run(self, *statements):
        """Executes each statement and returns the last one's rows, as text."""
        rows = []
        for statement in statements:
            result = self.check(self.pg.exec_(statement.encode()), statement)
            rows = [[text(result.get_value(row, column)) for column in range(result.nfields)] for row in range(result.ntuples)]
        return rows

    def value(self, statement):
        return self.run(statement)[0][0]

    def prepare(self, name, statement, types=()):
        self.check(self.pg.prepare(name.encode(), statement.encode(), types), statement)

    def check(self, result, statement):
        if result.status not in OK:
            raise ServerError(f"{result.get_error_message().strip()}\n{statement}")
        return result

    def timed(self, name, parameters):
        """Executes a prepared statement with each list of parameters: seconds of each, and the results."""
        execute, statement, clock = self.pg.exec_prepared, name.encode(), time.perf_counter_ns
        formats = [[BINARY] * len(values) for values in parameters]
        times, results = np.empty(len(parameters)), []
        gc.collect()
        gc.disable()
        try:
            for place, (values, format_) in enumerate(zip(parameters, formats)):
                start = clock()
                result = execute(statement, values, format_, BINARY)
                times[place] = clock() - start
                results.append(result)
        finally:
            gc.enable()
        for result in results:
            self.check(result, name)
        return times / 1e9, results

    def copy_rows(self, table, first, vectors):
        """Adds rows (id, v) through binary COPY; ids count from `first`."""
        result = self.pg.exec_(f"COPY {table} (id, v) FROM STDIN (FORMAT binary)".encode())
        if result.status != pq.ExecStatus.COPY_IN:
            raise ServerError(result.get_error_message())
        self.pg.put_copy_data(b"PGCOPY\n\xff\r\n\x00" + bytes(8))
        for start in range(0, len(vectors), 1000):
            rows = []
            for place, vector in enumerate(encode(vectors[start : start + 1000]), first + start):
                rows += [b"\x00\x02\x00\x00\x00\x04", int4(place), len(vector).to_bytes(4, "big"), vector]
            self.pg.put_copy_data(b"".join(rows))
        self.pg.put_copy_data(b"\xff\xff")
        self.pg.put_copy_end()
        self.check(self.pg.get_result(), "COPY")
        while self.pg.get_result():
            pass

    def close(self):
        self.pg.finish()


def text(value):
    return None if value is None else value.decode()


def encode(vectors):
    """The binary form of type vector: dimensions, two bytes unused, big-endian floats."""
    head = vectors.shape[1].to_bytes(2, "big") + b"\x00\x00"
    return [head + vector.tobytes() for vector in vectors.astype(">f4")]


def int4(number):
    return int(number).to_bytes(4, "big", signed=True)


def ids_of(results, limit):
    """The ids that the results hold, a row of `limit` each, -1 where there are fewer."""
    found = np.full((len(results), limit), -1, dtype=np.int64)
    for row, result in enumerate(results):
        for place in range(min(result.ntuples, limit)):
            found[row, place] = int.from_bytes(result.get_value(place, 0), "big", signed=True)
    return found


@dataclass
class Counters:
    """What a table and its index have cost so far: pages looked up in shared buffers, and those not found there."""

    index: int = 0
    index_read: int = 0
    table: int = 0
    table_read: int = 0
    wal: int = 0

    def __sub__(self, before):
        return Counters(*(getattr(self, field.name) - getattr(before, field.name) for field in fields(self)))


def counters(connection, observer):
    """Counters of the table `items` and its index; both sessions hand in what they have counted before."""
    for session in (connection, observer):
        session.run("SELECT pg_stat_force_next_flush()")
    row = observer.run(
        """SELECT coalesce((SELECT sum(idx_blks_hit + idx_blks_read) FROM pg_statio_user_indexes
                            WHERE indexrelname = 'items_v'), 0),
                  coalesce((SELECT sum(idx_blks_read) FROM pg_statio_user_indexes WHERE indexrelname = 'items_v'), 0),
                  coalesce(heap_blks_hit, 0) + coalesce(heap_blks_read, 0)
                      + coalesce(toast_blks_hit, 0) + coalesce(toast_blks_read, 0)
                      + coalesce(tidx_blks_hit, 0) + coalesce(tidx_blks_read, 0),
                  coalesce(heap_blks_read, 0) + coalesce(toast_blks_read, 0) + coalesce(tidx_blks_read, 0),
                  (pg_current_wal_insert_lsn() - '0/0')::bigint
           FROM pg_statio_user_tables WHERE relname = 'items'"""
    )[0]
    return Counters(*map(int, row))


def cpu_seconds(pid):
    """CPU time of the process's main thread, to the nanosecond where the kernel keeps it."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError):
        return process_cpu_seconds(pid)


def process_cpu_seconds(pid, waited_for=False):
    """CPU time of all threads of the process, or of the children it has waited for."""
    fields_ = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    user, system = fields_[13:15] if waited_for else fields_[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def wait_for_end(pid):
    """Waits until a process is gone, and waited for by its parent; not forever."""
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)


class Effort:
    """What a statement of this session costs the server: seconds, CPU time (with that of its parallel workers and
    threads), WAL, and the most memory it held beyond what the session had before."""

    def __init__(self, connection, observer):
        self.connection, self.observer = connection, observer
        self.postmaster = int(observer.value("SELECT pg_read_file('postmaster.pid')").split("\n")[0])

    def __enter__(self):
        self.before = counters(self.connection, self.observer)
        self.memory_before = self.memory()
        self.peak, self.done = self.memory_before, threading.Event()
        self.watch = threading.Thread(target=self.sample, daemon=True)
        self.watch.start()
        self.cpu_before, self.start = self.cpu(), time.perf_counter()
        return self

    def __exit__(self, *failure):
        self.seconds = time.perf_counter() - self.start
        self.done.set()
        self.watch.join()
        if not failure[0]:
            self.cpu_seconds = self.cpu() - self.cpu_before
            self.spent = counters(self.connection, self.observer) - self.before
            self.memory_bytes = max(0, self.peak - self.memory_before)

    def cpu(self):
        # A parallel worker that has ended is among the children the postmaster waited for.
        return process_cpu_seconds(self.connection.pid) + process_cpu_seconds(self.postmaster, waited_for=True)

    def sample(self):
        pause = 0.05
        while not self.done.wait(pause):
            self.peak = max(self.peak, self.memory())
            pause = min(max(0.05, 0.02 * (time.perf_counter() - self.start)), 2)

    def memory(self):
        """Memory of the session and its parallel workers, without PostgreSQL's shared buffers."""
        pids = [self.connection.pid] + parallel_workers(self.postmaster)
        return sum(map(own_memory, pids))


def parallel_workers(postmaster):
    workers = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == postmaster and b"parallel worker" in (entry / "cmdline").read_bytes():
                workers.append(int(entry.name))
        except (OSError, ValueError, IndexError):
            continue
    return workers


def own_memory(pid):
    """Private memory, and this process's part of dynamic shared memory (where parallel builds keep their graph)."""
    try:
        private = re.search(r"^RssAnon:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return (int(private[1]) << 10) + dynamic_memory(pid)
    except (OSError, TypeError):
        return 0


def dynamic_memory(pid):
    """This process's part of dynamic shared memory; 0 where it has none but the server's own few kB."""
    # To list mappings costs nothing; to count their pages, which include the shared buffers', takes a share of a short build.
    regions = re.findall(r"^(\w+)-(\w+) .*/dev/shm/", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    if sum(int(end, 16) - int(start, 16) for start, end in regions) < 1 << 20:
        return 0
    total, is_dynamic = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if line.startswith("Pss:") and is_dynamic:
            total += int(line.split()[1]) << 10
        elif "-" in line.split(" ", 1)[0]:
            is_dynamic = "/dev/shm/" in line
    return total


class Control:
    """Restarting the server, and dropping its files from the system's cache."""

    def __init__(self):
        self.command = os.environ["QUARTZDB_BENCH_PG_CTL"].split("\n")
        self.data = Path(os.environ["QUARTZDB_BENCH_PGDATA"])

    def restart(self, **settings):
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        command = [*self.command, "restart", "--wait", "--timeout=300", "-m", "fast", "-o", options]
        # Its output goes nowhere: the server would keep a pipe open.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode:
            raise ServerError(f"the server did not restart with {options}")

    def drop_from_cache(self, database_oid):
        """Tells the system to forget the database's files, and returns the share of their pages that it kept."""
        kept, looked_at = 0, 0
        for path in (self.data / "base" / str(database_oid)).iterdir():
            file = os.open(path, os.O_RDONLY)
            try:
                os.fsync(file)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                pages = os.fstat(file).st_size // 8192
                for page in random.Random(1).sample(range(pages), min(pages, 20)):
                    looked_at += 1
                    kept += is_cached(file, page * 8192)
            finally:
                os.close(file)
        return kept / max(looked_at, 1)


def is_cached(file, offset):
    try:
        return os.preadv(file, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False


def machine():
    """The machine and its load, as far as they are nobody's secret."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", text)
    kilobytes = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1])
    flags = [flag for flag in ("avx512_vpopcntdq", "avx512f", "avx2") if f" {flag} " in text]
    return {
        "processor": model[1] if model else os.uname().machine,
        "simd": flags[0] if flags else "",
        "cores": os.cpu_count(),
        "memory_gb": round(kilobytes / 2**20),
        "kernel": os.uname().release.split("-")[0],
        "load": round(os.getloadavg()[0], 2),
    }
