"""A server for the transport: python3 server.py PORT. It prints its port; 0 is any that is free."""
import asyncio
import resource
import sys


async def serve(reader, writer):
    try:
        while line := await reader.readline():
            word, number, *_ = line.split(b' ', 2)
            writer.write(b'OK\n' if word == b'HELLO' else b'ACK ' + number + b'\n')
            await writer.drain()
    except (OSError, ValueError):
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, '127.0.0.1', int(sys.argv[1]), limit=1 << 26, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
asyncio.run(main())
