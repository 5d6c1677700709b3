"""A server for the transport: python3 server.py PORT. It prints its port; 0 is any that is free."""
import asyncio
import resource
import sys

SUBSCRIBERS = {}  # of each topic: the writers of the sessions


async def serve(reader, writer):
    topics = []
    try:
        while line := await reader.readline():
            word, number, *rest = line.rstrip(b'\n').split(b' ', 2)
            if word != b'HELLO' and not rest:
                writer.write(b'NO ' + number + b' there is no topic\n')
                continue
            if word == b'HELLO':
                topics = rest[0].split(b' ') if rest else []
                for topic in topics:
                    SUBSCRIBERS.setdefault(topic, set()).add(writer)
                writer.write(b'OK\n')
            else:
                topic = rest[0].split(b' ', 1)[0]
                for each in SUBSCRIBERS.get(topic, ()):
                    each.write(b'MESSAGE ' + rest[0] + b'\n')
                writer.write(b'ACK ' + number + b'\n')
            await writer.drain()
    except (OSError, ValueError):
        pass
    for topic in topics:
        SUBSCRIBERS[topic].discard(writer)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, '127.0.0.1', int(sys.argv[1]), limit=1 << 26, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
asyncio.run(main())
