"""Many clients at once: processes, so that one interpreter's lock is not what is measured."""

import multiprocessing
import time

import numpy as np

from .server import BINARY, Connection


def together(clients, database, statements, query, parameters, seconds):
    """Queries a second that this many clients get answered together, and the time of each query. `statements`: what a
    session is told first."""
    spawn = multiprocessing.get_context("spawn")
    barrier, counts = spawn.Barrier(clients), spawn.Queue()
    arguments = (barrier, counts, database, statements, query, parameters, seconds)
    processes = [spawn.Process(target=work, args=(number, *arguments), daemon=True) for number in range(clients)]
    for process in processes:
        process.start()
    rates, times = zip(*(counts.get(timeout=seconds + 120) for _ in processes))
    for process in processes:
        process.join()
    return sum(rates), np.concatenate(times)


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
    times, start = [], time.perf_counter()
    before = start
    while before - start < seconds:
        execute(b"query", own[len(times) % len(parameters)], formats, BINARY)
        after = time.perf_counter()
        times.append(after - before)
        before = after
    counts.put((len(times) / (before - start), np.array(times)))
    connection.close()
