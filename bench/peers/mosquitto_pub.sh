#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mosquitto_pub publishes lines at QoS 1: bench/peers/mosquitto_pub.sh PORT SESSIONS RATE SECONDS.
#
# The program sends all messages in one session and ignores SESSIONS. CPU and memory are those of
# the whole process, from its start to its end.
set -euo pipefail

exec python3 - "$@" <<'PYTHON'
import json
import os
import pathlib
import re
import subprocess
import sys
import time

port, rate, seconds = sys.argv[1], float(sys.argv[3]), float(sys.argv[4])
line = b'x' * 100 + b'\n'
total, published = round(rate * seconds), 0
process = subprocess.Popen(['mosquitto_pub', '-h', '127.0.0.1', '-p', port, '-t', 'peers/0', '-q',
                            '1', '-l'], stdin=subprocess.PIPE, bufsize=0)
time.sleep(0.2)     # it connects
began = time.monotonic()
while published < total:
    due = min(total, int((time.monotonic() - began) * rate) + 1)
    process.stdin.write(line * (due - published))
    published = due
    # Not for each line: what wakes us up so often takes the processor from what we measure.
    time.sleep(max(0.001, began + published / rate - time.monotonic()))
# Not ru_maxrss: that of a child begins with what its parent, this Python, had when it forked.
usage = pathlib.Path(f'/proc/{process.pid}/status').read_text()
memory = int(re.search(r'VmHWM:\s*(\d+)', usage)[1])
process.stdin.close()
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps({
    'tool': 'mosquitto_pub', 'sessions': 1, 'published': published,
    # It ends well when the last message was acknowledged, and brokers acknowledge in order.
    'acknowledged': published if status == 0 else 0,
    'cpu_us_per_message': round((usage.ru_utime + usage.ru_stime) * 1e6 / published, 1),
    'rss_kib_per_session': memory}))
PYTHON
