# SPDX-License-Identifier: Apache-2.0
"""A bad network: a TCP proxy that tests put between MQTT clients and a broker.

    python proxy.py PORT TARGET_PORT [options]

It listens on loopback and prints `listening` when it is ready. At SIGTERM it prints its counts, as
one line of JSON: {"connections": n, "resets": n, "stalls": n}. A stall or a reset counts only if it
happens before the connection ends.
"""
import argparse
import asyncio
import json
import os
import random
import resource
import signal
import socket
import struct

LIFETIME_S = 600        # a killed test leaves an orphaned proxy for at most this long
STALL_WITHIN_S = 2
CHUNK = 16384
WAITING_CHUNKS = 1024   # in transit in one direction of a connection, with a delay
RESET = struct.pack('ii', 1, 0)     # the SO_LINGER that makes close() send RST instead of FIN
counts = {'connections': 0, 'resets': 0, 'stalls': 0}


class Connection:
    """One client and its connection to the target."""

    def __init__(self, options, number, reader, writer):
        self.options, self.reader, self.writer = options, reader, writer
        self.loop = asyncio.get_running_loop()
        self.resume = 0     # nothing is delivered before this time
        # The faults depend only on the seed and the number. All values are drawn, with any options:
        # one more option does not change what the others do to a connection.
        fate = random.Random(f'{options.seed}/{number}')
        stalls, stall_at, resets, reset_at = (fate.random() for _ in range(4))
        # One generator per direction: the order between their chunks is not reproducible.
        self.random = {way: random.Random(f'{options.seed}/{number}/{way}')
                       for way in ('up', 'down') if options.delay}
        self.timers = []
        if stalls < options.stall:
            self.timers.append(self.loop.call_later(stall_at * STALL_WITHIN_S, self.stall))
        if resets < options.reset:
            self.timers.append(
                self.loop.call_later(reset_at * options.reset_after / 1000, self.reset))
        self.task = self.loop.create_task(self.run())

    def stall(self):
        counts['stalls'] += 1
        self.resume = self.loop.time() + self.options.stall_seconds

    def reset(self):
        # The client may have closed while its data is still being delivered: it sees no reset.
        if self.writer.is_closing() or self.reader.at_eof():
            return
        counts['resets'] += 1
        self.writer.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        # Abort here: the task would do so only after the timers that are due before it.
        self.writer.transport.abort()
        self.task.cancel()

    async def run(self):
        writers = [self.writer]
        try:
            reader, writer = await asyncio.open_connection(
                '127.0.0.1', self.options.target_port, limit=CHUNK)
            writers.append(writer)
            await asyncio.gather(self.forward('up', self.reader, writer, self.options.throttle),
                                 self.forward('down', reader, self.writer, None))
            for writer in writers:
                writer.close()
        except OSError:     # no target
            pass
        finally:
            for timer in self.timers:
                timer.cancel()
            for writer in writers:
                if not writer.is_closing():
                    writer.transport.abort()

    async def forward(self, way, reader, writer, rate):
        """One direction: one task reads and one writes, so that a delay does not block reading."""
        # Without a delay, the queue holds one chunk: data that a stall or the throttle holds up
        # stays in the system's buffers, where it slows down the sender.
        queue = asyncio.Queue(WAITING_CHUNKS if self.options.delay else 1)
        receiving = self.loop.create_task(self.receive(way, reader, queue))
        try:
            await self.deliver(queue, writer, rate)
        except OSError:     # the receiver has closed; the data it sent before is still delivered
            pass
        finally:
            receiving.cancel()

    async def receive(self, way, reader, queue):
        due, chunk = 0, b'-'
        while chunk:
            try:
                chunk = await reader.read(CHUNK)
            except OSError:
                chunk = b''
            if self.options.delay:
                delay = self.options.delay / 1000 * self.random[way].uniform(0, 2)
                due = max(due, self.loop.time() + delay)
            await queue.put((due, chunk))   # the end of the stream, b'', is delayed too

    async def deliver(self, queue, writer, rate):
        free = 0    # the time from which the throttle allows the next byte
        while True:
            due, chunk = await queue.get()
            await self.sleep_until(due)
            # Pieces of 0.1 s, so that a large chunk is throttled too.
            size = max(1, rate // 10) if rate else CHUNK
            for at in range(0, len(chunk), size):
                piece = chunk[at:at + size]
                if rate:
                    free = max(free, self.loop.time()) + len(piece) / rate
                    await self.sleep_until(free)
                await self.sleep_until(self.resume)
                writer.write(piece)
                await writer.drain()
            if not chunk:
                await self.sleep_until(self.resume)
                if not writer.is_closing():
                    writer.write_eof()
                return

    async def sleep_until(self, time):
        if time > (now := self.loop.time()):
            await asyncio.sleep(time - now)


async def serve(options):
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    connections = set()     # the event loop itself does not keep tasks alive

    def accept(reader, writer):
        # A rejected connection gets no number: the number of attempts during a hold depends on
        # timing, and must not change the faults of later connections.
        if options.hold and os.path.exists(options.hold):
            writer.close()
            return
        task = Connection(options, counts['connections'], reader, writer).task
        counts['connections'] += 1
        connections.add(task)
        task.add_done_callback(connections.discard)

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if options.throttle:    # connections inherit it; a large buffer would bypass the throttle
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(('127.0.0.1', options.port))
    server = await asyncio.start_server(accept, sock=listener, backlog=4096, limit=CHUNK)
    print('listening', flush=True)
    try:
        await asyncio.wait_for(stop.wait(), LIFETIME_S)
    except TimeoutError:
        pass
    server.close()
    print(json.dumps(counts), flush=True)   # connections that are still open end with the loop


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('port', type=int)
    parser.add_argument('target_port', type=int)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--delay', type=float, default=0, metavar='MS',
                        help='each chunk is late by this much times 0 to 2')
    parser.add_argument('--throttle', type=int, metavar='BYTES_PER_SECOND',
                        help='of each client, towards the target')
    parser.add_argument('--stall', type=float, default=0, metavar='SHARE')
    parser.add_argument('--stall-seconds', type=float, default=3, metavar='S')
    parser.add_argument('--reset', type=float, default=0, metavar='SHARE')
    parser.add_argument('--reset-after', type=float, default=3000, metavar='MS')
    parser.add_argument('--hold', metavar='FILE',
                        help='while it exists, new connections are closed at once')
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(serve(options))


if __name__ == '__main__':
    main()
