"""A store that is closed while somebody still reads."""

from __future__ import annotations

import threading

from persona_engine.store import Store


def test_what_is_lent_is_closed_once_it_is_given_back(postgres_databases):
    store = Store(postgres_databases("migrated"))
    reading, done = threading.Event(), threading.Event()
    held = []

    def read():
        with store._database.read() as connection:
            held.append(connection.connection.dbapi_connection)
            reading.set()
            done.wait(10)

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(10)
    threading.Timer(0.2, done.set).start()
    store.close()
    reader.join(10)
    assert held[0].closed
