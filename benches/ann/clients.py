"""Many clients at once: processes, so that one interpreter's lock is not what is measured."""

import multiprocessing
import time

from .server import BINARY, Connection


def rate(clients, database, statements, query, parameters, seconds):
    """Queries a second that this many clients get answered together. `statements`: what a session is told first."""
    spawn = multiprocessing.get_context("spawn")
    barrier, counts = spawn.Barrier(clients), spawn.Queue()
    arguments = (barrier, counts, database, statements, query, parameters, seconds)
    processes = [spawn.Process(target=work, args=(number, *arguments), daemon=True) for number in range(clients)]
    for process in processes:
        process.start()
    rates = [counts.get(timeout=seconds + 120) for _ in processes]
    for process in processes:
        process.join()
    return sum(rates)


def work(number, barrier, counts, database, statements, query, parameters, seconds):
    connection = Connection(database)
    connection.run(*statements)
    connection.prepare("query", query)
    # Everyone starts elsewhere, or all would ask for the same pages at the same time.
    own = parameters[number * 37 % len(parameters) :] + parameters
    execute, formats = connection.pg.exec_prepared, [BINARY]
    for values in own[:20]:
        connection.check(execute(b"query", values, formats, BINARY), query)
    barrier.wait()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for values in own[done % len(parameters) :][:10]:
            execute(b"query", values, formats, BINARY)
        done += 10
    counts.put(done / (time.perf_counter() - start))
    connection.close()
